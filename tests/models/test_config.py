import dataclasses
import json
import subprocess
import sys

import pytest
import tiny

from keras_attn import Seq2SeqConfig, layers
from keras_attn.layers.attention.normalisers import NORMALISERS
from keras_attn.layers.cells.rnn_cells import CELLS
from keras_attn.layers.decoder.bridge import BRIDGES
from keras_attn.layers.decoder.decoder import ORDERS
from keras_attn.layers.encoder.bidirectional import SUMMARIES
from keras_attn.seq2seq_config import ALIGN_FUNCTIONS


def test_survives_json():
    config = tiny.config(cell="lstm", attention=None, seed=4)
    values = json.loads(json.dumps(dataclasses.asdict(config)))
    assert Seq2SeqConfig.from_dict(values) == config


def test_unknown_key_names_the_nearest():
    with pytest.raises(
        ValueError, match="Unknown Seq2SeqConfig key 'decoder_unit'"
    ) as i:
        Seq2SeqConfig.from_dict({"decoder_unit": 3})
    assert "Did you mean 'decoder_units'?" in str(i.value)
    assert "Known keys: embedding_dim, " in str(i.value)


def test_choices_are_the_names_that_the_layers_know():
    choices = {
        field.name: field.metadata.get("choices")
        for field in dataclasses.fields(Seq2SeqConfig)
    }
    assert choices["cell"] == tuple(CELLS)
    assert choices["order"] == tuple(ORDERS)
    assert choices["summary"] == tuple(SUMMARIES)
    assert choices["attention_normaliser"] == tuple(NORMALISERS)
    # A copy needs equal widths, which the config does not ask for.
    assert {*choices["bridge"], "copy"} == set(BRIDGES)
    assert choices["attention"] == tuple(ALIGN_FUNCTIONS)


def test_every_align_function_has_a_name():
    classes = {getattr(layers, name) for name in ALIGN_FUNCTIONS.values()}
    public = {getattr(layers, name) for name in layers.__all__}
    align_classes = {
        value
        for value in public
        if issubclass(value, layers.Attention) and value is not layers.Attention
    }
    assert classes == align_classes


def test_needs_neither_keras_nor_tensorflow():
    code = (
        "import sys; from keras_attn.seq2seq_config import Seq2SeqConfig;"
        "assert not {'keras', 'tensorflow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        tiny.config().cell = "lstm"


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"decoder_units": 0}, "positive integer.*decoder_units=0"),
        ({"embedding_dim": 8.0}, "positive integer.*embedding_dim=8.0"),
        ({"encoder_units": True}, "positive integer.*encoder_units=True"),
        ({"target_vocabulary_size": "9"}, "integer.*target_vocabulary_size='9'"),
        ({"cell": "rnn"}, "`cell` must be one of 'gru', 'lstm'.*cell='rnn'"),
        ({"attention": "dots"}, "`attention` must be one of .*None.*attention='dots'"),
        ({"attention": "dot", "decoder_units": 7}, "must be twice.*decoder_units=7"),
        (
            {"attention": "multi_head", "attention_heads": 5},
            "`attention_heads` must divide.*attention_heads=5",
        ),
        ({"attention_normaliser": "max"}, "attention_normaliser='max'"),
        ({"attention_temperature": 0.0}, "attention_temperature=0.0"),
        ({"attention_dropout": 1}, "rate in .*attention_dropout=1"),
        ({"recurrent_dropout": -0.1}, "rate in .*recurrent_dropout=-0.1"),
        ({"source_word_dropout": 1.0}, "rate in .*source_word_dropout=1.0"),
        ({"target_word_dropout": -1}, "rate in .*target_word_dropout=-1"),
        ({"order": "paper"}, "`order` must be one of .*order='paper'"),
        ({"summary": "first"}, "`summary` must be one of .*summary='first'"),
        ({"bridge": "none"}, "`bridge` must be one of .*bridge='none'"),
        ({"encoder_layers": 0}, "positive integer.*encoder_layers=0"),
        ({"decoder_layers": 0}, "positive integer.*decoder_layers=0"),
        ({"dropout": 1.0}, "rate in .*dropout=1.0"),
        ({"dropout": "0.1"}, "rate in .*dropout='0.1'"),
        ({"pad_id": -1}, "id of both vocabularies.*pad_id=-1"),
        ({"pad_id": 13}, "id of both vocabularies.*pad_id=13"),
        ({"readout_units": 9}, "`tie_embeddings` needs.*readout_units=9"),
        (
            {"share_embeddings": True, "source_vocabulary_size": 14},
            "`share_embeddings` needs.*source_vocabulary_size=14",
        ),
    ],
)
def test_refuses(changed, rule):
    with pytest.raises(ValueError, match=rule):
        tiny.config(**changed)
