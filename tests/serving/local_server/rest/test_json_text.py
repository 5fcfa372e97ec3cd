"""JSON text of any kind is parsed as by Python, or refused with a message.

`FUZZ_EXAMPLES=5000` tries more texts, and different ones each time.
"""

import contextlib
import json
import os
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_attn.serving.local_server.errors import RequestError
from keras_attn.serving.local_server.limits import Limits
from keras_attn.serving.local_server.rest.json_text import parse_json

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
FEW = settings(
    max_examples=EXAMPLES or 25,
    deadline=None,
    database=None,
    derandomize=not EXAMPLES,
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('\\"[{,Inf')),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)
TOKENS = [
    *'[]{}:,"\\ ',
    *("null", "-", "1", "1e400", "Inf", "-NaN", "-Infinity", "b64"),
    *(r"\ud800", r"\udc00", r"\u", r"\"", "\xff", "ä"),
]


@given(value=VALUES, ascii_only=st.booleans())
@FEW
def test_json_is_read_as_by_python(value, ascii_only):
    text = json.dumps(value, ensure_ascii=ascii_only)
    body = text.encode("utf-8", "surrogatepass")
    assert parse_json(body, Limits()) == json.loads(text)
    assert parse_json(bytearray(body + b" ]]"), Limits()) == json.loads(text)


@given(st.lists(st.sampled_from(TOKENS), max_size=12))
@FEW
def test_no_text_ends_in_another_error(tokens):
    body = "".join(tokens).encode("latin-1")
    try:
        value = parse_json(body, Limits())
    except RequestError as error:
        value = error.message
    # Whatever the strings are, they can be bytes again.
    json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    "body",
    [
        b'"' * 2**20,
        b'\\"' * 2**19,
        b"[" * 2**20,
        b"]" * 2**20,
        b"-Inf," * 2**17,
        b'["' + rb"\udc00" * 2**17 + b'", Inf]',
        b'["' + b"\\\\" * 2**19 + b'", -NaN',
        b"[" + b"9" * 2**20 + b"]",
    ],
)
def test_hostile_texts_take_bounded_time(body):
    begin = time.process_time()
    with contextlib.suppress(RequestError):
        parse_json(body, Limits())
    assert time.process_time() - begin < 1  # a MiB, of at most 16 in a request
