"""The one list of all public layers, on which every property is tested.

A new layer gets a `Case` here; tests/conformance/test_coverage.py fails until it has.
"""

from conformance_case import SIZES, Case
from conformance_wrappers import TwoHalves, TwoSteps, WithHistory, sequence
from keras import layers

from keras_attn import layers as ours
from keras_attn.layers.cells.rnn_cells import CELLS, create_cell
from keras_attn.models import Seq2Seq, Seq2SeqConfig

A, E, M, Q, V = (SIZES[letter] for letter in "AEMQV")

# Public names that are no layers to be called, each with the reason.
NOT_IN_THE_LIST = {
    "Attention": "the base of all align functions, without one of its own",
    "DecoderState": "a value, no layer; it is in every result of a step cell",
    "History": "a value, no layer; it is an argument of location and coverage",
    "Memory": "a value, no layer; decoders make it from their arguments",
}

SOURCE = {"memory": "float BSM", "memory_mask": "mask BS"}
QUERY_AND_MEMORY = {"query": "float BQ", **SOURCE}
RATES = {"dropout": 0.5, "recurrent_dropout": 0.5}


def attention(name, make, inputs=None, **more):
    """Cases of an align function, which all take the same options."""
    return Case(
        name=name,
        layer=make,
        inputs=inputs or QUERY_AND_MEMORY,
        attention_outputs=(1,),
        zero_outputs=(0, 1),
        layer_with_dropout=lambda: make(dropout=0.5),
        **more,
    )


def with_history(name, make, **more):
    history = {"previous": "weights BS", "total": "weights BS"}
    return attention(
        name, make, {**QUERY_AND_MEMORY, **history}, wrap=WithHistory, **more
    )


ATTENTIONS = [
    attention("additive", lambda **o: ours.BahdanauAttention(A, **o)),
    attention(
        "additive, sparsemax",
        # Flat enough that several rows count, so that dropout masks matter.
        lambda **o: ours.BahdanauAttention(
            A, normaliser="sparsemax", temperature=4.0, **o
        ),
    ),
    attention(
        "additive, temperature",
        lambda **o: ours.BahdanauAttention(A, temperature=0.5, **o),
    ),
    attention("additive, normed", lambda **o: ours.NormedBahdanauAttention(A, **o)),
    attention(
        "dot",
        lambda **o: ours.DotAttention(**o),
        {"query": "float BM", **SOURCE},
        has_weights=False,
    ),
    attention("scaled dot", lambda **o: ours.ScaledDotAttention(A, **o)),
    attention("general", lambda **o: ours.GeneralAttention(**o)),
    attention("concat", lambda **o: ours.ConcatAttention(A, **o)),
    attention("multi-head", lambda **o: ours.MultiHeadDotAttention(A, 2, **o)),
    with_history("location", lambda **o: ours.LocationAttention(A, 2, 3, **o)),
    with_history(
        "location, both",
        lambda **o: ours.LocationAttention(A, 2, 3, features="both", **o),
    ),
    with_history("coverage", lambda **o: ours.CoverageAttention(A, **o)),
    with_history(
        "coverage, fertility",
        lambda **o: ours.CoverageAttention(A, max_fertility=2.0, **o),
    ),
    with_history(
        "monotonic, hard",
        lambda **o: ours.MonotonicAttention(A, **o),
        sums_to_one=False,
        learns=False,  # one row or another: that has no gradient
    ),
    with_history(
        "monotonic, expected",
        lambda **o: ours.MonotonicAttention(A, **o),
        sums_to_one=False,
        options={"training": True},
    ),
    attention("local", lambda **o: ours.LocalAttention(A, 2, **o), sums_to_one=False),
]


def rnn_cell(kind, **options):
    return create_cell(kind, Q, **options)


STEP = {"inputs": "float BTE", **SOURCE}


def step(name, make, inputs=STEP, attends=True):
    """A case of a step cell; `make(**options)` passes them to its RNN cell."""
    return Case(
        name=name,
        layer=make,
        inputs=inputs,
        wrap=TwoSteps,
        attention_outputs=(2,),
        sums_to_one=attends,
        zero_outputs=(1, 2) if attends else (2,),  # there, the context is the summary
        layer_with_dropout=lambda: make(**RATES),
    )


STEP_CELLS = [
    step(
        "AttentionCell",
        lambda **o: ours.AttentionCell(rnn_cell("gru", **o), ours.BahdanauAttention(A)),
    ),
    step(
        "AttentionCell without attention",
        lambda **o: ours.AttentionCell(rnn_cell("simple_rnn", **o)),
        {**STEP, "summary": "float BM"},
        attends=False,
    ),
    step(
        "AttentionCell, coverage",
        lambda **o: ours.AttentionCell(rnn_cell("gru", **o), ours.CoverageAttention(A)),
    ),
    step(
        "LuongCell",
        lambda **o: ours.LuongCell(rnn_cell("lstm", **o), ours.GeneralAttention()),
    ),
    step(
        "ConditionalCell",
        lambda **o: ours.ConditionalCell(
            rnn_cell("gru", **o), ours.BahdanauAttention(A)
        ),
    ),
]

READ = {"sequences": "float BSE", "mask": "mask BS"}


def cell(name, make, inputs=READ):
    return Case(
        name=name,
        layer=make,
        inputs=inputs,
        wrap=sequence,
        zero_outputs=(0,),
        layer_with_dropout=lambda: make(**RATES),
    )


RNN_CELLS = [
    cell("LayerNormGRUCell", lambda **o: ours.LayerNormGRUCell(Q, **o)),
    cell("LayerNormLSTMCell", lambda **o: ours.LayerNormLSTMCell(Q, **o)),
    cell("LayerNormSimpleRNNCell", lambda **o: ours.LayerNormSimpleRNNCell(Q, **o)),
    cell(
        "ResidualCell",
        lambda **o: ours.ResidualCell(layers.GRUCell(Q, **o)),
        {**READ, "sequences": "float BSQ"},
    ),
    cell(
        "a stack of all",
        lambda **o: create_cell(
            "gru", Q, layers=2, residual=True, layer_norm=True, **o
        ),
    ),
]

WORDS = {"ids": "ids BS", "ids_mask": "mask BS"}


def encoder(name, make, inputs=WORDS):
    return Case(
        name=name,
        layer=make,
        inputs=inputs,
        zero_outputs=(0, 1),
        layer_with_dropout=lambda: make(**RATES),
    )


ENCODERS = [
    *(
        encoder(f"Encoder, {kind}", lambda k=kind, **o: ours.Encoder(V, E, 3, k, **o))
        for kind in CELLS
    ),
    encoder(
        "Encoder, deep",
        lambda **o: ours.Encoder(
            V, E, 3, layers=2, residual=True, layer_norm=True, summary="mean", **o
        ),
    ),
    encoder(
        "PyramidalEncoder",
        lambda **o: ours.PyramidalEncoder(3, layers=2, **o),
        {"features": "float BSE", "features_mask": "mask BS"},
    ),
]

TARGETS = {"inputs": "float BTE", **SOURCE}


def decoder(name, make, layer_with_dropout=None, inputs=TARGETS, **more):
    """A case of a decoder; `make(**options)` passes them to its RNN cell."""
    return Case(
        name=name,
        layer=make,
        inputs=inputs,
        attention_outputs=(2,),
        zero_outputs=(1, 2),
        layer_with_dropout=layer_with_dropout or (lambda: make(**RATES)),
        **more,
    )


def decode(kind, align, order="bahdanau", bridge="map", options=None, **rates):
    rnn = rnn_cell(kind, **(options or {}), **rates)
    return ours.AttentionDecoder(rnn, align, order=order, bridge=bridge)


DECODERS = [
    decoder(
        "decoder, bahdanau, gru",
        lambda: decode("gru", ours.BahdanauAttention(A)),
        layer_with_dropout=lambda: decode(
            "gru", ours.BahdanauAttention(A, dropout=0.5), **RATES
        ),
    ),
    decoder(
        "decoder, bahdanau, lstm, coverage",
        lambda **o: decode("lstm", ours.CoverageAttention(A), **o),
    ),
    decoder(
        "decoder, luong, lstm, general",
        lambda **o: decode("lstm", ours.GeneralAttention(), "luong", **o),
    ),
    decoder(
        "decoder, luong, simple_rnn, location",
        lambda **o: decode(
            "simple_rnn", ours.LocationAttention(A, 2, 3), "luong", "learned", **o
        ),
    ),
    decoder(
        "decoder, conditional, gru, normed",
        lambda **o: decode("gru", ours.NormedBahdanauAttention(A), "conditional", **o),
    ),
    decoder(
        "decoder, stack, multi-head",
        lambda **o: decode(
            "gru",
            ours.MultiHeadDotAttention(A, 2),
            options={"layers": 2, "residual": True, "layer_norm": True},
            **o,
        ),
    ),
    decoder(
        "decoder, monotonic",
        lambda: decode("gru", ours.MonotonicAttention(A, noise=0.0)),
        layer_with_dropout=lambda: decode("gru", ours.MonotonicAttention(A), **RATES),
        sums_to_one=False,
        options={"training": True},
    ),
    decoder(
        "decoder from states, luong, lstm, coverage",
        lambda **o: ours.AttentionDecoder(
            rnn_cell("lstm", **o),
            ours.CoverageAttention(A),
            order="luong",
            return_state=True,
        ),
        inputs={**TARGETS, "hidden": "float BQ", "carry": "float BQ"},
        wrap=TwoHalves,
    ),
    decoder(
        "decoder without attention",
        lambda **o: decode("gru", None, **o),
        sums_to_one=False,
    ),
]

PARTS = [
    Case(
        name="Aligner",
        layer=lambda: ours.Aligner(A),
        inputs={
            "target_embeddings": "float BTE",
            "source_embeddings": "float BSE",
            "memory": "float BSM",
            "attention": "weights BTS",
            "source_mask": "mask BS",
        },
        attention_outputs=(0,),
        sums_to_one=False,
        zero_outputs=(0,),
        layer_with_dropout=lambda: ours.Aligner(A, dropout=0.5),
    ),
    Case(
        name="Bridge",
        layer=lambda: ours.Bridge([Q, 3]),
        inputs={"summary": "float BM"},
    ),
    Case(
        name="Bridge, learned",
        layer=lambda: ours.Bridge([Q, 3], kind="learned"),
        inputs={"summary": "float BM"},
    ),
    Case(
        name="Bridge, copy",
        layer=lambda: ours.Bridge([M, M], kind="copy"),
        inputs={"summary": "float BM"},
        has_weights=False,
    ),
    Case(
        name="Readout",
        layer=lambda: ours.Readout(A),
        inputs={
            "state": "float BTQ",
            "context": "float BTM",
            "previous": "float BTE",
        },
        layer_with_dropout=lambda: ours.Readout(A, dropout=0.5),
    ),
    Case(
        name="ScaledEmbedding",
        layer=lambda: ours.ScaledEmbedding(V, E),
        inputs={"ids": "ids BT"},
    ),
]


def seq2seq(name, **changed):
    sizes = {
        "source_vocabulary_size": V,
        "target_vocabulary_size": V,
        "embedding_dim": 4,
        "encoder_units": 3,
        "decoder_units": 4,
        "attention_units": A,
        "readout_units": 4,
        "attention_heads": 2,
    }
    config = Seq2SeqConfig(**{**sizes, "dropout": 0.0, **changed})
    rates = dict.fromkeys(("dropout", "recurrent_dropout", "attention_dropout"), 0.4)
    dropout_config = Seq2SeqConfig(**{**sizes, **changed, **rates})
    return Case(
        name=name,
        layer=lambda: Seq2Seq(config),
        inputs={"source": "padded BS", "target": "padded BT"},
        layer_with_dropout=lambda: Seq2Seq(dropout_config),
    )


MODELS = [
    seq2seq("Seq2Seq"),
    seq2seq("Seq2Seq, lstm, untied", cell="lstm", tie_embeddings=False),
    seq2seq(
        "Seq2Seq, luong, deep",
        order="luong",
        attention="general",
        decoder_layers=2,
        encoder_layers=2,
        residual=True,
        layer_norm=True,
    ),
    seq2seq(
        "Seq2Seq, conditional, shared",
        order="conditional",
        attention="coverage",
        share_embeddings=True,
        summary="mean",
        bridge="learned",
    ),
    seq2seq("Seq2Seq without attention", attention=None, cell="simple_rnn"),
]

LAYERS = [
    *ATTENTIONS,
    *STEP_CELLS,
    *RNN_CELLS,
    *ENCODERS,
    *DECODERS,
    *PARTS,
    *MODELS,
]
