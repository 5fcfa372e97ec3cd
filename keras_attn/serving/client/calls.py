"""Requests to a model server and how their responses are parsed, without any waiting.

A client sends `Call.request` in its own way and passes the response to
`Call.parse_response`.
"""

import dataclasses
import itertools
import math
import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from keras_attn.serving.client.server_info import SignatureInfo, VersionStatus
from keras_attn.serving.signature import ALL_SIGNATURES, TRANSLATE_CONSTRAINED
from keras_attn.serving.wire.messages import SIGNATURE_DEF_MAP_URL, message_class
from keras_attn.serving.wire.tensors import read_tensor, write_tensor
from keras_attn.text.joined_translations import join_translations
from keras_attn.text.sentences import (
    LONGEST_CHARACTER,
    character_boundary,
    sentence_spans,
)
from keras_attn.translation import (
    SOURCE_OUTPUTS,
    TOKEN_WEIGHTS,
    Translation,
    check_prefixes,
    check_required,
    check_texts,
    translations_from_outputs,
    utf8,
)

__all__ = ["RPCS", "Call", "ModelCalls", "Part", "join_parts"]

RPCS = {  # method: service
    "Predict": "PredictionService",
    "GetModelMetadata": "PredictionService",
    "GetModelStatus": "ModelService",
}
_INT32_MAX = 2**31 - 1

Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True, slots=True)
class Call(Generic[Result]):
    """One remote procedure call.

    Attributes:
        rpc: One of `RPCS`.
        request: The request message.
        parse_response: Turns the response message into the result; raises
            `ValueError` for a response that breaks the contract.
        part: Which part of a long text it translates; empty for whole texts.
    """

    rpc: str
    request: Any
    parse_response: Callable[[Any], Result]
    part: str = ""


class Part(NamedTuple):
    """A part of a long text, and its translation."""

    row: int  # of the text
    text: str  # the whole
    span: tuple[int, int]  # in bytes
    translation: Translation


def join_parts(results: Iterable[Any]) -> list[Any]:
    """Returns the results of all calls with the parts of each long text joined."""
    joined: list[Any] = []
    for row, group in itertools.groupby(
        results, lambda result: result.row if isinstance(result, Part) else None
    ):
        if row is None:
            joined += group
        else:
            _, texts, spans, translations = zip(*group, strict=True)
            joined.append(join_translations(texts[0], spans, translations))
    return joined


class ModelCalls:
    """Makes the calls about one model.

    Args:
        model: The model's name on the server.
        version: Version number to ask.
        label: Version label to ask.
        batch_size: Maximum number of texts in one request.
        batch_bytes: Maximum number of text bytes in one request. A longer text goes
            out by its sentences where it is translated by sentences, else alone.
    """

    def __init__(
        self,
        model: str,
        version: int | None = None,
        label: str | None = None,
        *,
        batch_size: int,
        batch_bytes: int,
    ):
        self.model = model
        self._version = version
        self._label = label
        self._batch_size = batch_size
        self._batch_bytes = batch_bytes

    def translate(
        self,
        texts: Sequence[str],
        *,
        max_length: int | Sequence[int] | None = None,
        length_penalty: float | Sequence[float] | None = None,
        prefixes: Sequence[str] | None = None,
        required: Sequence[Sequence[str]] | None = None,
        attention: bool,
    ) -> Iterator[Call[list[Translation]]]:
        """Yields one call for each batch of texts, in order."""
        texts = check_texts("texts", texts)
        columns = {"text": texts}
        has_options = max_length is not None or length_penalty is not None
        if prefixes is not None or required is not None:
            if has_options:
                raise ValueError(
                    "No signature takes both constraints and search options. Received: "
                    f"max_length={reprlib.repr(max_length)}, "
                    f"length_penalty={reprlib.repr(length_penalty)} "
                    "with prefixes or required phrases."
                )
            phrases = check_required(required, len(texts))
            columns |= {
                "prefix": check_prefixes(prefixes, len(texts)),
                "required": ["\n".join(row) for row in phrases],
            }
            return self._batched_calls(
                TRANSLATE_CONSTRAINED.name,
                columns,
                attention,
                lambda texts, _prefixes, _required, outputs: translations_from_outputs(
                    texts, outputs
                ),
            )
        if not has_options:
            return self._batched_calls(
                "translate",
                columns,
                attention,
                translations_from_outputs,
                by_sentences=True,
            )
        columns |= {
            "max_length": _max_length_column(max_length, len(texts)),
            "length_penalty": _length_penalty_column(length_penalty, len(texts)),
        }
        return self._batched_calls(
            "translate_options",
            columns,
            attention,
            lambda texts, _lengths, _penalties, outputs: translations_from_outputs(
                texts, outputs
            ),
            by_sentences=True,
        )

    def translate_words(
        self, texts: Sequence[str], *, attention: bool
    ) -> Iterator[Call[list[Translation]]]:
        """Like `translate`, with words in place of subwords."""
        texts = check_texts("texts", texts)
        return self._batched_calls(
            "translate_words",
            {"text": texts},
            attention,
            translations_from_outputs,
            by_sentences=True,
        )

    def nbest(
        self, texts: Sequence[str], *, attention: bool
    ) -> Iterator[Call[list[list[Translation]]]]:
        """Yields one call for each batch of texts; results are n-best lists."""
        texts = check_texts("texts", texts)
        return self._batched_calls("nbest", {"text": texts}, attention, _nbest_lists)

    def align(
        self, texts: Sequence[str], targets: Sequence[str], *, attention: bool
    ) -> Iterator[Call[list[Translation]]]:
        """Yields one call for each batch of pairs, in order."""
        texts, targets = check_texts("texts", texts), check_texts("targets", targets)
        if len(texts) != len(targets):
            raise ValueError(
                "There must be one target for each text. "
                f"Received: texts={len(texts)}, targets={len(targets)}."
            )
        columns = {"text": texts, "target": targets}
        return self._batched_calls("align", columns, attention, _aligned_pairs)

    def predict(
        self,
        inputs: Mapping[str, np.ndarray],
        signature: str,
        outputs: Sequence[str] = (),
    ) -> Call[dict[str, np.ndarray]]:
        """Returns the call that runs a signature on tensors."""
        _check_inputs(signature, inputs)
        request = self._request("Predict", output_filter=outputs)
        request.model_spec.signature_name = signature
        for name, array in inputs.items():
            write_tensor(request.inputs[name], array)
        return Call("Predict", request, _parse_outputs)

    def status(self) -> Call[list[VersionStatus]]:
        """Returns the call for the state of each version."""
        return Call("GetModelStatus", self._request("GetModelStatus"), _parse_status)

    def metadata(self) -> Call[dict[str, SignatureInfo]]:
        """Returns the call for the signatures by name."""
        request = self._request("GetModelMetadata", metadata_field=["signature_def"])
        return Call("GetModelMetadata", request, _parse_metadata)

    def diagnosis_call(self, rpc: str, code: str, details: str) -> Call[str] | None:
        """Returns the call that asks which versions or signatures the server has.

        Args:
            rpc: The call that failed.
            code: Its gRPC status.
            details: The server's message.

        Returns:
            A call whose result is one sentence; `None` where no call would help.
        """
        if rpc == "Predict" and code == "NOT_FOUND":
            request = message_class("GetModelStatusRequest")()  # of any version
            request.model_spec.name = self.model
            call = Call("GetModelStatus", request, _parse_status)
            return _summarized(call, "Versions on the server: {}.", "; ")
        if rpc == "Predict" and "Serving signature key" in details:
            return _summarized(self.metadata(), "Signatures of the model: {}.", ", ")
        return None

    def _batched_calls(
        self, signature, columns, attention, read_outputs, by_sentences=False
    ):
        """Yields one call for each batch of rows.

        Args:
            signature: Name of the signature.
            columns: Lists of texts, or arrays `(B,)`, by input name.
            attention: Whether results have attention, and alignment.
            read_outputs: Makes results of the batch's columns and `outputs=`.
            by_sentences: Whether a text over the limit of bytes goes out in parts,
                whose results are `Part`.
        """
        for rows in self._batches(columns):
            batch = {name: values[rows] for name, values in columns.items()}
            text = batch["text"][0]
            if by_sentences and len(utf8(text)) > self._batch_bytes:
                yield from self._part_calls(
                    signature, rows.start, batch, attention, read_outputs
                )
            else:
                yield self._batch_call(signature, batch, attention, read_outputs)

    def _part_calls(self, signature, row, batch, attention, read_outputs):
        """Yields the calls for a text that is over the limit of bytes."""
        text = batch["text"][0]
        encoded = utf8(text)
        spans = [
            part
            for span in sentence_spans(text)
            for part in _cut_span(encoded, *span, self._batch_bytes)
        ] or [(0, 0)]
        parts = [encoded[begin:end].decode() for begin, end in spans]
        for rows in self._batches({"text": parts}):
            # The options of a text are those of its parts.
            columns = {
                name: values * (rows.stop - rows.start)
                if isinstance(values, list)
                else np.repeat(values, rows.stop - rows.start)
                for name, values in batch.items()
            }
            columns["text"] = parts[rows]
            yield self._part_call(
                self._batch_call(signature, columns, attention, read_outputs),
                row,
                text,
                spans[rows],
            )

    def _part_call(self, call, row, text, spans):
        def parse_response(response):
            return [
                Part(row, text, span, translation)
                for span, translation in zip(
                    spans, call.parse_response(response), strict=True
                )
            ]

        part = f"bytes {spans[0][0]} to {spans[-1][1]} of texts[{row}]"
        return dataclasses.replace(call, parse_response=parse_response, part=part)

    def _batches(self, columns):
        """Yields slices of rows within both limits; a longer row is alone."""
        texts = [column for column in columns.values() if isinstance(column, list)]
        sizes = [
            sum(len(utf8(text)) for text in row) for row in zip(*texts, strict=True)
        ]
        start = size = 0
        for row, length in enumerate(sizes):
            full = row - start == self._batch_size or size + length > self._batch_bytes
            if full and row > start:
                yield slice(start, row)
                start, size = row, 0
            size += length
        if start < len(sizes):
            yield slice(start, len(sizes))

    def _batch_call(self, signature, batch, attention, read_outputs):
        # Older exports translate whole texts, and say nothing of sentences; and a model
        # need not have an aligner.
        names = [
            field.name
            for field in ALL_SIGNATURES[signature].outputs
            if not field.name.startswith("sentence_")
        ]
        inputs = {
            name: _utf8_column(values) if isinstance(values, list) else values
            for name, values in batch.items()
        }
        # All outputs, whatever is used of them: see `keras_attn.serving.signature`.
        call = self.predict(inputs, signature)

        def parse_response(response):
            outputs = call.parse_response(response)
            missing = [name for name in names if name not in outputs]
            if missing:
                raise ValueError(
                    f"the model's signature {signature!r} must also return "
                    f"{', '.join(missing)}. Received: {', '.join(sorted(outputs))}. "
                    "Was it exported by another version of keras-attn?"
                )
            if not attention:
                outputs = {
                    name: output
                    for name, output in outputs.items()
                    if name not in TOKEN_WEIGHTS
                }
            return read_outputs(*batch.values(), outputs=outputs)

        return dataclasses.replace(call, parse_response=parse_response)

    def _request(self, rpc, **fields):
        request = message_class(f"{rpc}Request")(**fields)
        request.model_spec.name = self.model
        if self._version is not None:
            request.model_spec.version.value = self._version
        if self._label is not None:
            request.model_spec.version_label = self._label
        return request


def _check_inputs(signature, inputs):
    """Raises for inputs of a translator's signature that would fail.

    With batching, TensorFlow Serving joins requests before it looks at them: one with
    another dtype or rank fails its neighbours, and one without rows waits for them.
    """
    fields = ALL_SIGNATURES[signature].inputs if signature in ALL_SIGNATURES else ()
    sizes = {}
    for field in fields:
        if field.name not in inputs:  # the server knows which inputs the model has
            continue
        array = np.asarray(inputs[field.name])
        dtype = "string" if array.dtype.kind in "OSUT" else array.dtype.name
        if dtype != field.dtype:
            raise TypeError(
                f"Input `{field.name}` of the signature {signature!r} must have the "
                f"dtype {field.dtype}. Received: {field.name} of dtype {array.dtype}. "
                "Convert it: servers convert nothing."
            )
        if array.ndim != len(field.axes) or not len(array):
            raise ValueError(
                f"Input `{field.name}` of the signature {signature!r} must have the "
                "shape (B,) with one value for each of B texts, at least one. "
                f"Received: {field.name} of shape {array.shape}."
            )
        sizes[field.name] = len(array)
    if len(set(sizes.values())) > 1:
        received = ", ".join(f"{name} of {size}" for name, size in sizes.items())
        raise ValueError(
            f"Inputs of the signature {signature!r} must have as many rows as each "
            f"other. Received: {received}."
        )


def _cut_span(text, begin, end, size):
    """Yields parts of a span of at most `size` bytes, cut at blanks or characters."""
    size = max(size, LONGEST_CHARACTER)
    while end - begin > size:
        stop = text.rfind(b" ", begin + 1, begin + size + 1)
        if stop < 0:
            stop = character_boundary(text, begin + size)
        yield begin, stop
        begin = stop + (text[stop : stop + 1] == b" ")
    if begin < end:
        yield begin, end


def _utf8_column(texts):
    column = np.empty(len(texts), dtype=object)
    column[:] = [utf8(text) for text in texts]
    return column


def _max_length_column(value, count):
    """Returns `(count,)` int32; without a value the model's own limit holds."""
    if value is None:
        return np.full(count, _INT32_MAX, np.int32)
    lengths = _one_per_text("max_length", value, count)
    if not all(
        isinstance(length, int | np.integer) and 1 <= length <= _INT32_MAX
        for length in lengths
    ):
        raise ValueError(
            "`max_length` must be a positive integer, or one for each text. "
            f"Received: max_length={reprlib.repr(value)}."
        )
    return np.array(lengths, np.int32)


def _length_penalty_column(value, count):
    """Returns `(count,)` float32; NaN asks for the penalty that was exported."""
    if value is None:
        return np.full(count, np.nan, np.float32)
    penalties = _one_per_text("length_penalty", value, count)
    if not all(
        isinstance(penalty, int | float | np.number) and math.isfinite(penalty)
        for penalty in penalties
    ):
        raise ValueError(
            "`length_penalty` must be a finite number, or one for each text. "
            f"Received: length_penalty={reprlib.repr(value)}."
        )
    return np.array(penalties, np.float32)


def _one_per_text(name, value, count):
    values = [value] * count if np.ndim(value) == 0 else list(value)
    if len(values) != count:
        raise ValueError(
            f"`{name}` must be one value, or one for each text. "
            f"Received: {name}={reprlib.repr(value)} for texts={count}."
        )
    return values


def _nbest_lists(texts, outputs):
    """Reads `(B, K, ...)` outputs as `B` lists of hypotheses, best first."""
    lengths = outputs["target_length"]  # (B, K); 0 where there is no hypothesis
    by_rank = [
        translations_from_outputs(
            texts,
            {
                name: array if name.startswith(SOURCE_OUTPUTS) else array[:, rank]
                for name, array in outputs.items()
            },
        )
        for rank in range(lengths.shape[1])
    ]
    return [
        [
            translations[row]
            for rank, translations in enumerate(by_rank)
            if lengths[row, rank]
        ]
        for row in range(len(texts))
    ]


def _aligned_pairs(texts, targets, outputs):
    """Reads the outputs of `align`, which lack the translation: it was sent."""
    translations = np.empty(len(targets), dtype=object)
    translations[:] = targets
    return translations_from_outputs(texts, {**outputs, "translation": translations})


def _summarized(call, sentence, separator):
    def parse_response(response):
        return sentence.format(separator.join(map(str, call.parse_response(response))))

    return dataclasses.replace(call, parse_response=parse_response)


def _parse_outputs(response):
    outputs = {}
    for name in response.outputs:
        try:
            outputs[name] = read_tensor(response.outputs[name])
        except ValueError as error:
            raise ValueError(f"output {name!r} cannot be read. {error}") from error
    return outputs


def _parse_status(response):
    return [
        VersionStatus.from_message(status) for status in response.model_version_status
    ]


def _parse_metadata(response):
    packed = response.metadata["signature_def"]
    if packed.type_url != SIGNATURE_DEF_MAP_URL:
        raise ValueError(
            "the metadata must be a SignatureDefMap. "
            f"Received: type_url={packed.type_url!r}."
        )
    signatures = message_class("SignatureDefMap").FromString(packed.value)
    return {
        name: SignatureInfo.from_message(signatures.signature_def[name])
        for name in sorted(signatures.signature_def)
    }
