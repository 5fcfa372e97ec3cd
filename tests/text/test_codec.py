import gc
import json
import re

import keras
import numpy as np
import pytest
import sentencepiece
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_attn.text import SubwordCodec
from keras_attn.text.blanks import BLANK_CHARACTERS, BLANKS

TEXTS = [
    "",
    " ",
    " \t\r\n\u3000",
    "\x00",
    "\x01\x02",
    "\x01Hund\x01 \x01Katze\x01",
    "Hund\x00Katze",
    "a\r\nb",
    "a\u00a0b \u200b c\u2028d",
    "   Hund   Katze  ",
    "\ufeffHund",
    "Ｈｕｎｄ ﬁne ①½㍿ ﷺ",
    "e\u0301 z\u0301\u0302\u0303 ¨ x¨",
    "🎉 Hund 👨‍👩‍👧 ☺️",
    "▁Hund ▁ x▁y",
    "</s> <s> <unk> <pad>",
    "हिन्दी می‌خواهم 狗跑得快",
    "Donau\u00addampf",
    "w" * 10_000,
    "Hund " * 300,
]
BYTES = [
    b"Hund \xff\xfe Katze",
    b"\xc3",
    b"ab\xed\xa0\x80cd",
    b"\xf0\x9f Hund \xf0\x9f",
    b"\x80\x80 x",
    b" \xe3\x80 \xef\xbf\xbd ",
]
ODD = [text.encode() for text in TEXTS] + BYTES


def rows(encoded):
    """One list of (piece, begin, end) a row, cut at its length."""
    columns = [np.array(x) for x in (encoded.pieces, encoded.begin, encoded.end)]
    return [
        list(zip(*(column[row, :length].tolist() for column in columns), strict=True))
        for row, length in enumerate(np.array(encoded.lengths).tolist())
    ]


def as_numpy(result):
    return [np.array(x) for x in result]


def check_spans(text, row):
    """Spans lie in the text, in order, cover all that is not blank, and no more."""
    normalizer = sentencepiece.SentencePieceNormalizer(
        rule_name="nmt_nfkc", add_dummy_prefix=False
    )
    position, uncovered = 0, []
    for _, begin, end in row:
        assert position <= begin <= end <= len(text)
        uncovered.append(text[position:begin])
        span = text[begin:end].decode("utf-8", "replace")
        assert span == "" or not _is_blank(normalizer, span[0]), (text, row)
        assert span == "" or not _is_blank(normalizer, span[-1]), (text, row)
        position = end
    for gap in uncovered:
        assert normalizer.normalize(gap.decode("utf-8")) == "", (text, row)
    assert row[-1][0] == b"</s>"
    assert row[-1][1:] == (len(text), len(text))


def _is_blank(normalizer, character):
    # The decoder's own replacement character stands for bytes that are no text.
    return character != "\ufffd" and normalizer.normalize(character) == ""


def test_ids_are_those_of_sentencepiece(codec, reference, sentences):
    encoded = codec.encode(tf.constant(sentences), max_tokens=500)
    for row, sentence in enumerate(sentences):
        expected = [*reference.encode(sentence), reference.eos_id()]
        length = int(encoded.lengths[row])
        assert encoded.ids[row, :length].numpy().tolist() == expected
        assert set(encoded.ids[row, length:].numpy().tolist()) <= {codec.pad_id}
        assert set(encoded.pieces[row, length:].numpy().tolist()) <= {b""}
        pieces = [reference.id_to_piece(i).encode() for i in expected]
        assert encoded.pieces[row, :length].numpy().tolist() == pieces
    assert not np.any(encoded.truncated)


def test_dtypes(codec):
    encoded = codec.encode(tf.constant(["Hund"]), max_tokens=5)
    assert encoded.pieces.dtype == tf.string
    for name in ("ids", "begin", "end", "lengths", "truncated"):
        assert getattr(encoded, name).dtype == tf.int32
    decoded = codec.surface(encoded.ids, encoded.lengths)
    assert [x.dtype.name for x in decoded] == ["string", "string", "int32", "int32"]


def test_spans_of_plain_text_read_the_word_parts(codec):
    text = "Ein Hund läuft."
    (row,) = rows(codec.encode(tf.constant([text]), max_tokens=50))
    data = text.encode()
    for piece, begin, end in row[:-1]:
        assert data[begin:end] == piece.replace("▁".encode(), b"")
    assert row[-1] == (b"</s>", len(data), len(data))


@pytest.mark.parametrize("text", ODD, ids=lambda text: repr(text[:20]))
def test_odd_text_is_encoded_with_spans_in_its_own_bytes(codec, text):
    (row,) = rows(codec.encode(tf.constant([text]), max_tokens=50_000))
    check_spans(text, row)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.binary(max_size=12) | st.text(max_size=12), min_size=1, max_size=6))
def test_any_bytes_are_encoded_with_spans_in_their_own_bytes(codec, texts):
    texts = [x.encode("utf-8") if isinstance(x, str) else x for x in texts]
    encoded = codec.encode(tf.constant(texts), max_tokens=500)
    for text, row in zip(texts, rows(encoded), strict=True):
        check_spans(text, row)


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        # A character that becomes several tokens belongs to the last of them.
        ("x ﬁ", [("x", 0, 1), ("f", 2, 2), ("i", 2, 5)]),
        ("½", [("1", 0, 0), ("<unk>", 0, 0), ("2", 0, 2)]),
        # Characters that become one token are its span.
        ("e\u0301", [("é", 0, 3)]),
        ("Ａ", [("A", 0, 3)]),
        # Bytes that are no UTF-8 are one unknown token, each byte counted once.
        ("x\udcff\udcfe y", [("x", 0, 1), ("<unk>", 1, 3), ("y", 4, 5)]),
        ("\udc80", [("<unk>", 0, 1)]),
        # Blanks of any width lie between spans.
        ("x\u3000\r\n y", [("x", 0, 1), ("y", 7, 8)]),
        ("\ufeff x ", [("x", 4, 5)]),
    ],
)
def test_spans_under_normalisation(text, spans):
    from keras_attn.text import learn_subwords

    # Single characters only, so that the pieces are known.
    codec = SubwordCodec(learn_subwords(["x y A é f i 1 2"] * 3, 13))
    text = text.encode("utf-8", "surrogateescape")
    (row,) = rows(codec.encode(tf.constant([text]), max_tokens=50))
    parts = [
        (piece.decode().removeprefix("▁"), begin, end) for piece, begin, end in row
    ]
    assert [part for part in parts[:-1] if part[0]] == spans


def test_blanks_are_what_the_normaliser_drops():
    normalizer = sentencepiece.SentencePieceNormalizer(rule_name="nmt_nfkc")
    characters = [chr(i) for i in range(1, 0x10000) if not 0xD800 <= i < 0xE000]
    dropped = {
        c for c in characters if normalizer.normalize(f"a{c}b") in ("▁a▁b", "▁ab")
    }
    stripped = tf.strings.regex_replace(characters, f"^{BLANKS}$", "").numpy()
    ours = {c for c, rest in zip(characters, stripped, strict=True) if not rest}
    assert ours == dropped == set(BLANK_CHARACTERS)


@pytest.mark.parametrize("limit", [1, 2, 4, 100])
def test_truncation_is_counted_and_ends_where_reading_stopped(codec, limit):
    texts = ["Ein Hund läuft schnell.", "Hund", "", "  "]
    full = codec.encode(tf.constant(texts), max_tokens=500)
    short = codec.encode(tf.constant(texts), max_tokens=limit)
    np.testing.assert_array_equal(
        short.lengths, np.minimum(full.lengths, limit), strict=False
    )
    np.testing.assert_array_equal(short.truncated, full.lengths - short.lengths)
    all_rows = zip(texts, rows(full), rows(short), strict=True)
    for text, full_row, short_row in all_rows:
        assert short_row[:-1] == full_row[: len(short_row) - 1]
        stop = len(text.encode())
        if len(short_row) < len(full_row):
            stop = short_row[-2][2] if len(short_row) > 1 else 0
        assert short_row[-1] == (b"</s>", stop, stop)


def test_limit_below_one_is_refused(codec):
    with pytest.raises(ValueError, match=r"at least 1\. Received: max_tokens=0"):
        codec.encode(tf.constant(["x"]), max_tokens=0)


def test_batch_mates_change_nothing(codec):
    together = rows(codec.encode(tf.constant(ODD), max_tokens=50_000))
    alone = [rows(codec.encode(tf.constant([x]), max_tokens=50_000))[0] for x in ODD]
    assert together == alone


@pytest.mark.parametrize("count", [0, 1, 4])
def test_graph_equals_eager_at_any_batch_size(codec, count):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def encode(text):
        return codec.encode(text, max_tokens=10)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None], tf.int32),
            tf.TensorSpec([None], tf.int32),
        ]
    )
    def surface(ids, lengths):
        return codec.surface(ids, lengths)

    text = tf.constant((ODD[10:] + ODD)[:count], tf.string)
    encoded = encode(text)
    eager = codec.encode(text, max_tokens=10)
    for graph, direct in zip(as_numpy(encoded), as_numpy(eager), strict=True):
        np.testing.assert_array_equal(graph, direct, strict=True)
    assert encoded.ids.shape[0] == count
    decoded = surface(encoded.ids, encoded.lengths)
    again = codec.surface(encoded.ids, encoded.lengths)
    for graph, direct in zip(as_numpy(decoded), as_numpy(again), strict=True):
        np.testing.assert_array_equal(graph, direct, strict=True)


def test_tokenize_in_a_dataset(codec, reference, sentences):
    dataset = tf.data.Dataset.from_tensor_slices([*sentences, "", "x"]).batch(4)
    ids = [row for batch in dataset.map(codec.tokenize) for row in batch.to_list()]
    assert ids == [reference.encode(text) for text in [*sentences, "", "x"]]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_surface_is_sentencepiece_decoding(codec, reference, data):
    ordinary = st.integers(4, codec.vocabulary_size - 1)
    batch = data.draw(st.lists(st.lists(ordinary, max_size=8), min_size=1, max_size=4))
    padded = tf.ragged.constant(batch, dtype=tf.int32).to_tensor(codec.pad_id)
    decoded = codec.surface(padded, tf.constant([len(row) for row in batch]))
    for row, ids in enumerate(batch):
        text = decoded.text[row].numpy()
        assert text.decode() == reference.decode(ids)
        position = 0
        for t, token_id in enumerate(ids):
            begin, end = int(decoded.begin[row, t]), int(decoded.end[row, t])
            piece = reference.id_to_piece(token_id)
            assert decoded.pieces[row, t].numpy().decode() == piece
            assert position <= begin <= end <= len(text)
            assert text[begin:end].decode() == piece.removeprefix("▁")
            assert text[position:begin] in (b"", b" ")
            position = end
        assert text[position:] == b""


def test_surface_of_encoded_text_is_the_text(codec, sentences):
    encoded = codec.encode(tf.constant(sentences), max_tokens=500)
    decoded = codec.surface(encoded.ids, encoded.lengths)
    assert [text.decode() for text in decoded.text.numpy()] == sentences
    # No normalisation here, so the source's spans and the target's are the same.
    np.testing.assert_array_equal(decoded.begin, encoded.begin)
    np.testing.assert_array_equal(decoded.end, encoded.end)


def test_special_tokens_are_empty_spans(codec, reference):
    hund = reference.encode("Hund")
    ids = [codec.start_id, *hund, codec.unknown_id, *hund, codec.end_id, *hund]
    used = len(ids) - len(hund)
    decoded = codec.surface(tf.constant([ids]), tf.constant([used]))
    assert decoded.text.numpy().tolist() == [b"Hund Hund"]
    spans = np.stack([decoded.begin[0], decoded.end[0]], axis=1).tolist()
    assert spans[0] == [0, 0]
    assert spans[len(hund) + 1] == [4, 4]
    assert spans[used - 1] == [9, 9]
    assert spans[used:] == [[0, 0]] * len(hund)  # beyond the length: ignored
    assert decoded.pieces[0, used:].numpy().tolist() == [b""] * len(hund)


def test_ids_outside_the_vocabulary_are_unknown(codec, reference):
    hund = reference.encode("Hund")
    ids = [codec.vocabulary_size, *hund, -1, 2**31 - 1]
    decoded = codec.surface(tf.constant([ids]), tf.constant([len(ids)]))
    assert decoded.text.numpy().tolist() == [b"Hund"]
    assert decoded.pieces[0, 0].numpy() == b"<unk>"
    assert decoded.end[0].numpy().tolist()[-2:] == [4, 4]


def test_surface_of_nothing(codec):
    empty = codec.surface(tf.zeros([2, 0], tf.int32), tf.zeros([2], tf.int32))
    assert empty.text.numpy().tolist() == [b"", b""]
    assert empty.begin.shape == (2, 0)
    only_end = codec.surface(tf.constant([[codec.end_id]]), tf.constant([1]))
    assert only_end.text.numpy().tolist() == [b""]
    assert only_end.end.numpy().tolist() == [[0]]


def test_config_survives_json_without_the_model(codec):
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(codec)))
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == codec.get_config()
    assert len(json.dumps(config)) < 1000
    for use in (
        lambda: again.vocabulary_size,
        lambda: again.tokenizer,
        lambda: again.encode(tf.constant(["x"]), max_tokens=5),
    ):
        with pytest.raises(ValueError, match=r"Received: model=None .* Pass `model`"):
            use()


@pytest.mark.parametrize("op", ["encode", "tokenize", "surface"])
def test_ops_are_core_or_sentencepiece(codec, op):
    calls = {
        "encode": lambda text: codec.encode(text, max_tokens=9),
        "tokenize": codec.tokenize,
        "surface": lambda text: codec.surface(*codec.encode(text, 9)[0:5:4]),
    }
    spec = tf.TensorSpec([None], tf.string)
    graph = tf.function(calls[op]).get_concrete_function(spec).graph.as_graph_def()
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    ours = {node.op for node in nodes if re.search("Sentencepiece|Text>", node.op)}
    assert ours <= {
        "SentencepieceTokenizeOp",
        "SentencepieceTokenizeWithOffsetsOp",
        "SentencepieceIdToStringOp",
    }
    # Content must never stop a batch.
    assert not {node.op for node in nodes if "Assert" in node.op}


@pytest.mark.parametrize(
    "clear", [lambda: keras.utils.set_random_seed(1), keras.utils.clear_session]
)
def test_a_codec_outlives_the_caches_that_keras_clears(unigram, clear):
    """Seeds are set, and sessions cleared, after models are made and loaded."""
    codec = SubwordCodec(unigram)
    tokenize = tf.function(lambda text: codec.tokenize(text).to_tensor())
    text = tf.constant(["a dog runs"])
    want = codec.tokenize(text).numpy().tolist()
    assert tokenize(text).numpy().tolist() == want
    clear()
    gc.collect()
    assert codec.tokenize(text).numpy().tolist() == want
    assert tokenize(text).numpy().tolist() == want
    text = "Ein anderer Hund"
    again = SubwordCodec(unigram).tokenize(tf.constant([text])).numpy().tolist()
    assert codec.tokenize(tf.constant([text])).numpy().tolist() == again
