"""The floor of a search's time: a loop of nothing but a step's matrix products.

What a decoder cannot leave out is the products with its weights and with the memory,
and the lookup of the word before. A search takes longer by all else that it does: gates
and softmax, choosing tokens, records, the encoder, text to ids and back.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from benchmarks.measuring import timed
from keras_attn import Seq2SeqConfig
from keras_attn.text import graph
from keras_attn.translator.batches import map_in_batches

# Matrices of the size of the state in each half of a cell's kernel.
_GATES = {"simple_rnn": 1, "gru": 3, "lstm": 4}


def make_floors(
    config: Mapping[str, Any], cases: Mapping[str, Mapping[str, Any]]
) -> Callable[[str], list[float]]:
    """Returns a function that times loops; runs in a child process.

    Args:
        config: Values of a `Seq2SeqConfig`.
        cases: By name, the `precision` of the weights, the number of `rows` and the
            `sizes` of each sentence: source tokens, steps, and words of its shortlist
            or `None`.

    Returns:
        Answers a name with the seconds of each sentence.

    Raises:
        ValueError: If the decoder is none of those that `make_loop` knows.
    """
    sizes = Seq2SeqConfig.from_dict(config)
    loops = {
        precision: make_loop(sizes, precision)
        for precision in {case["precision"] for case in cases.values()}
    }

    def run(loop, rows, source, steps, words):
        numbers = [tf.constant(number) for number in (rows, source, steps)]
        loop(*numbers, None if words is None else tf.constant(words)).numpy()

    def seconds(name: str) -> list[float]:
        case = cases[name]
        loop = loops[case["precision"]]
        return [timed(run, loop, case["rows"], *size) for size in case["sizes"]]

    for name in cases:  # traces and warms up
        seconds(name)
    return seconds


def make_batch_floor(
    config: Mapping[str, Any],
    texts: Sequence[str],
    sizes: Sequence[tuple[int, int]],
    batch_size: int,
) -> Callable[[str], float]:
    """Returns a function that times loops over batches; runs in a child process.

    Args:
        config: Values of a `Seq2SeqConfig`.
        texts: As they are translated, in batches of similar length.
        sizes: Source tokens and steps of each. A batch takes as many steps as its
            rows on average, since rows that ended leave it.
        batch_size: Rows a batch.

    Returns:
        Answers any name with the seconds of all batches, computed as many at a time
        as translations.
    """
    graph.share_cores()
    loop = make_loop(Seq2SeqConfig.from_dict(config))

    def run_batch(rows: Sequence[int]) -> Any:
        source = max(sizes[row][0] for row in rows)
        steps = round(statistics.mean(sizes[row][1] for row in rows))
        loop(*map(tf.constant, (len(rows), source, steps)), None).numpy()
        return [None] * len(rows)

    def run_all() -> None:
        map_in_batches(run_batch, texts, batch_size, graph.parallel_batches())

    run_all()
    return lambda name: timed(run_all)


def make_loop(
    config: Seq2SeqConfig, precision: str = "float32"
) -> Callable[..., tf.Tensor]:
    """Returns the loop over the products of decoder steps, for any number of rows.

    Args:
        config: Sizes of the model.
        precision: Dtype of weights and memory. All are zeros: no number overflows, and
            a product takes the same time.

    Returns:
        `loop(rows, source, steps, words)` of int32 scalars, or `None` for all words.
        The columns of `words` are gathered before the loop.

    Raises:
        ValueError: If the model is not one layer of cells with additive or general
            attention, in Bahdanau's order.
    """
    known = config.attention in ("additive", "general") and config.cell in _GATES
    if not known or config.order != "bahdanau" or config.decoder_layers != 1:
        raise ValueError(
            "The floor is known for one layer of cells with additive or general "
            f"attention, in Bahdanau's order. Received: config={config}."
        )
    embedding, memory_size = config.embedding_dim, 2 * config.encoder_units
    state_size, readout = config.decoder_units, config.readout_units
    is_additive = config.attention == "additive"
    key_size = config.attention_units if is_additive else state_size
    gates = _GATES[config.cell] * state_size

    def zeros(*shape: int) -> tf.Variable:
        return tf.Variable(tf.zeros(shape, precision))

    table = zeros(config.target_vocabulary_size, embedding)
    query_kernel, score_kernel = zeros(state_size, key_size), zeros(key_size, 1)
    input_kernel = zeros(embedding + memory_size, gates)
    state_kernel = zeros(state_size, gates)
    readout_kernel = zeros(state_size + memory_size + embedding, readout)
    output_kernel = zeros(readout, config.target_vocabulary_size)

    @tf.function(autograph=False)
    def loop(
        rows: tf.Tensor, source: tf.Tensor, steps: tf.Tensor, words: tf.Tensor | None
    ) -> tf.Tensor:
        keys = tf.zeros([rows, source, key_size], precision)
        memory = tf.zeros([rows, source, memory_size], precision)
        columns = tf.convert_to_tensor(output_kernel)
        if words is not None:
            columns = tf.gather(output_kernel, tf.range(words), axis=1)

        def scores(state):  # (rows, 1, source)
            if not is_additive:
                return tf.matmul(state[:, None], keys, transpose_b=True)
            # The sum makes the product one of this step.
            energies = keys + tf.matmul(state, query_kernel)[:, None]
            flat = tf.matmul(tf.reshape(energies, [-1, key_size]), score_kernel)
            return tf.reshape(flat, [rows, 1, source])

        def step(t, token_ids, state):
            previous = tf.gather(table, token_ids)
            context = tf.matmul(scores(state), memory)[:, 0]
            cell = tf.matmul(tf.concat([previous, context], 1), input_kernel)
            state = (cell + tf.matmul(state, state_kernel))[:, :state_size]
            features = tf.concat([state, context, previous], 1)
            logits = tf.matmul(tf.matmul(features, readout_kernel), columns)
            return t + 1, tf.cast(logits[:, 0], tf.int32), state

        start = (0, tf.zeros([rows], tf.int32), tf.zeros([rows, state_size], precision))
        _, token_ids, _ = tf.while_loop(lambda t, *_: t < steps, step, start)
        return token_ids

    return loop
