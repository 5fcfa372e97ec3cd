"""Text in, translation out: the thing that is saved, evaluated and served."""

import functools
import os
from collections.abc import Iterable

import keras
import numpy as np
from keras import ops

from keras_attn.decoding import beam_search, greedy_search, score_targets
from keras_attn.decoding.options import row_penalties
from keras_attn.layers.arguments import restored_parts
from keras_attn.models import Ensemble, Seq2Seq
from keras_attn.translation import (
    Translation,
    check_texts,
    translations_from_outputs,
)

__all__ = ["Translator"]

PRECISIONS = ("float32", "bfloat16")
FORMAT_VERSION = 1

# A translation may have this many target tokens for each source token, and some more.
# Longer ones are loops of the decoder, which would hold up the whole batch.
_TARGET_PER_SOURCE, _TARGET_MORE = 3, 10


@keras.saving.register_keras_serializable(package="keras_attn")
class Translator(keras.Model):
    """A `Seq2Seq` with the subword codecs of its two languages.

    Saved as one `.keras` file with the subword models inside; restored by
    `keras.saving.load_model`. It is not trained as a whole: train `seq2seq`.

    Args:
        seq2seq: A `Seq2Seq`, or an `Ensemble` of them.
        source_codec: A `SubwordCodec` for source texts.
        target_codec: A `SubwordCodec` for target texts; `None`: `source_codec`
            serves both.
        beam_size: Hypotheses kept at each step; 1 is greedy search.
        length_penalty: Exponent of the length by which a hypothesis's score is
            divided when hypotheses are compared.
        max_source_length: Source tokens read, end token included. What is beyond is
            not read, and `Translation.source_truncated` counts it.
        max_target_length: Target tokens written, end token included; also at most
            3 for each source token and 10 more. Where the limit ends a translation,
            `Translation.target_truncated` says so.
        shortlist: A `LexicalShortlist` of the words that a source can be translated
            by; `None`: the whole vocabulary. Translations with it are found faster, and
            log p is over the allowed words.
        coverage_penalty: Of hypotheses that leave source tokens without attention,
            when hypotheses are compared (see `beam_search`); 0: none.
        replace_unknown: Whether the unknown token may be written; in its place comes
            the source word with the most attention. `False`: it is never written.
        format_version: Of the saved file.
        **kwargs: Passed to `keras.Model`.

    Raises:
        ValueError: If codecs and model do not fit, an option is out of range, or the
            file was written by a newer format.

    Example:

    >>> from keras_attn import Seq2Seq, Seq2SeqConfig
    >>> from keras_attn.text import SubwordCodec, learn_subwords
    >>> codec = SubwordCodec(learn_subwords(["ein Hund", "a dog"], 20))
    >>> size = codec.vocabulary_size
    >>> config = Seq2SeqConfig(source_vocabulary_size=size, target_vocabulary_size=size)
    >>> translator = Translator(Seq2Seq(config), codec)
    >>> [answer] = translator.translate(["ein Hund"])
    >>> answer.attention.shape == (len(answer.target_tokens), len(answer.source_tokens))
    True
    """

    def __init__(
        self,
        seq2seq,
        source_codec,
        target_codec=None,
        beam_size=5,
        length_penalty=1.0,
        max_source_length=256,
        max_target_length=256,
        shortlist=None,
        coverage_penalty=0.0,
        replace_unknown=False,
        format_version=FORMAT_VERSION,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not isinstance(seq2seq, Seq2Seq | Ensemble):
            raise ValueError(
                "`seq2seq` must be a `Seq2Seq` or an `Ensemble` of them. "
                f"Received: seq2seq={seq2seq!r}."
            )
        if format_version > FORMAT_VERSION:
            raise ValueError(
                f"This release reads translators up to format {FORMAT_VERSION}. "
                f"Received: format_version={format_version}. Install a newer one."
            )
        _check_limits(
            beam_size=beam_size,
            max_source_length=max_source_length,
            max_target_length=max_target_length,
        )
        _check_penalties(
            length_penalty=length_penalty, coverage_penalty=coverage_penalty
        )
        if replace_unknown and seq2seq.config.attention is None:
            raise ValueError(
                "`replace_unknown` copies the word with the most attention, which the "
                f"model must have. Received: replace_unknown={replace_unknown!r} for a "
                "model with attention=None."
            )
        self.seq2seq = seq2seq
        self.source_codec = source_codec
        self.target_codec = source_codec if target_codec is None else target_codec
        self.beam_size = beam_size
        self.length_penalty = length_penalty
        self.max_source_length = max_source_length
        self.max_target_length = max_target_length
        self.shortlist = shortlist
        self.coverage_penalty = coverage_penalty
        self.replace_unknown = replace_unknown
        self._compiled = {}
        self.built = True

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Translator":
        """Restores a saved translator, as `keras.saving.load_model` does.

        Raises:
            ValueError: If the file holds something else than a translator.
        """
        loaded = keras.saving.load_model(path)
        if not isinstance(loaded, cls):
            raise ValueError(
                "A saved translator is needed. "
                f"Received: {os.fspath(path)}, which holds a {type(loaded).__name__}."
            )
        return loaded

    def in_precision(self, precision: str) -> "Translator":
        """Returns the same translator with weights and activations in a precision.

        In `"bfloat16"` a saved file and the weights in memory take half the space, and
        on processors with 16-bit matrix products a batch is translated faster.
        Softmax, log p and attention weights stay float32.

        Args:
            precision: `"float32"` or `"bfloat16"`.

        Returns:
            A new translator; codecs and shortlist are shared with this one.

        Raises:
            ValueError: If `precision` is something else.
        """
        if precision not in PRECISIONS:
            raise ValueError(
                f"`precision` must be one of {', '.join(map(repr, PRECISIONS))}. "
                f"Received: precision={precision!r}."
            )
        model = self.seq2seq
        if isinstance(model, Ensemble):
            model = Ensemble([_cast(member, precision) for member in model.members])
        else:
            model = _cast(model, precision)
        return self.with_model(model)

    def with_model(self, seq2seq: Seq2Seq | Ensemble) -> "Translator":
        """Returns a translator with the same options around another model.

        Args:
            seq2seq: Of the same vocabularies.

        Returns:
            A new translator; codecs and shortlist are shared with this one.

        Raises:
            ValueError: If `seq2seq` is no such model.
        """
        return Translator(
            seq2seq,
            self.source_codec,
            None if self.shares_codec else self.target_codec,
            beam_size=self.beam_size,
            length_penalty=self.length_penalty,
            coverage_penalty=self.coverage_penalty,
            max_source_length=self.max_source_length,
            max_target_length=self.max_target_length,
            shortlist=self.shortlist,
            replace_unknown=self.replace_unknown,
        )

    @property
    def shares_codec(self):
        """Whether one codec serves source and target."""
        return self.target_codec is self.source_codec

    def translate(
        self,
        texts: Iterable[str],
        *,
        beam_size: int | None = None,
        length_penalty: float | None = None,
        coverage_penalty: float | None = None,
        full_vocabulary: bool = False,
        batch_size: int = 64,
    ) -> list[Translation]:
        """Translates texts, in batches of similar length.

        Args:
            texts: Any number of texts. Empty ones get an answer, too.
            beam_size: Overrides the translator's own.
            length_penalty: Overrides the translator's own.
            coverage_penalty: Overrides the translator's own.
            full_vocabulary: Whether to choose from all words, in spite of a shortlist.
            batch_size: Texts computed together.

        Returns:
            A `Translation` for each text, in the order of `texts`.

        Raises:
            TypeError: If `texts` is one string, or holds something else than strings.
            ValueError: If an option is out of range.
        """
        respond = functools.partial(
            self.respond,
            beam_size=self.beam_size if beam_size is None else beam_size,
            length_penalty=(
                self.length_penalty if length_penalty is None else length_penalty
            ),
            coverage_penalty=(
                self.coverage_penalty if coverage_penalty is None else coverage_penalty
            ),
            full_vocabulary=full_vocabulary,
        )
        return self._in_batches(respond, [check_texts("texts", texts)], batch_size)

    def align(
        self, sources: Iterable[str], targets: Iterable[str], *, batch_size: int = 64
    ) -> list[Translation]:
        """Scores given translations and says where the model looked for each word.

        Args:
            sources: Source texts.
            targets: A translation of each; written as it is, not searched for.
            batch_size: Pairs computed together.

        Returns:
            A `Translation` for each pair, whose text is the target as it was given.

        Raises:
            TypeError: As in `translate`.
            ValueError: If there is not one target for each source.
        """
        columns = [check_texts("sources", sources), check_texts("targets", targets)]
        if len(columns[0]) != len(columns[1]):
            raise ValueError(
                "Each source needs one target. "
                f"Received: sources={len(columns[0])}, targets={len(columns[1])}."
            )
        return self._in_batches(self.respond_aligned, columns, batch_size)

    def respond(
        self,
        text,
        beam_size=None,
        length_penalty=None,
        full_vocabulary=False,
        coverage_penalty=None,
        max_length=None,
    ):
        """Translates a string tensor in the graph: what the exporter serves.

        Args:
            text: `(B,)` strings, any bytes, any B.
            beam_size: Overrides the translator's own; a Python number.
            length_penalty: Overrides the translator's own; a Python number, or one a
                row: `(B,)` floats, clamped to [0, 5], where NaN is the translator's
                own.
            full_vocabulary: As in `translate`; a Python bool.
            coverage_penalty: Overrides the translator's own; a Python number.
            max_length: `(B,)` integers, the most target tokens of each row, end token
                included; clamped to [1, `max_target_length`]. `None`: the
                translator's own.

        Returns:
            A dict of tensors: the outputs of the serving signature `translate`.
        """
        search = self._searcher(
            beam_size, length_penalty, coverage_penalty, full_vocabulary, max_length
        )
        return self._answer(text, search)

    def respond_nbest(
        self, text, count, beam_size=None, length_penalty=None, full_vocabulary=False
    ):
        """Translates a string tensor into several hypotheses each, in the graph.

        Args:
            text: `(B,)` strings, any bytes, any B.
            count: `K`, hypotheses of each text, best first; a Python number. Where it
                is larger than the beam, it is the beam.
            beam_size: As in `respond`.
            length_penalty: As in `respond`.
            full_vocabulary: As in `respond`.

        Returns:
            A dict of tensors: the outputs of the serving signature `nbest`.
        """
        _check_limits(count=count)
        beam_size = max(self.beam_size if beam_size is None else beam_size, count)
        search = self._searcher(beam_size, length_penalty, None, full_vocabulary)
        return self._answer(text, search, count)

    def _searcher(
        self,
        beam_size,
        length_penalty,
        coverage_penalty,
        full_vocabulary,
        max_length=None,
    ):
        """Returns the search of encoded texts that these options ask for."""
        from keras_attn.text import graph

        beam_size = self.beam_size if beam_size is None else beam_size
        if length_penalty is None:
            length_penalty = self.length_penalty
        if coverage_penalty is None:
            coverage_penalty = self.coverage_penalty
        _check_limits(beam_size=beam_size)
        _check_penalties(coverage_penalty=coverage_penalty)
        if hasattr(length_penalty, "shape"):
            given = graph.to_backend(graph.at_least_one_row(length_penalty))
            length_penalty = row_penalties(given, self.length_penalty)
        else:
            _check_penalties(length_penalty=length_penalty)

        def search(ids, lengths):
            step, special, words, given = self._words_for(ids, full_vocabulary)
            state, memory = self.seq2seq.encode(ids)
            limits = self._target_limits(lengths)
            if max_length is not None:
                given_limits = graph.to_backend(graph.at_least_one_row(max_length))
                limits = ops.minimum(limits, given_limits)
            options = {"max_lengths": limits, **special}
            memory = memory if given is None else (memory, given)
            if beam_size == 1:
                found = greedy_search(step, state, memory, **options)
            else:
                found = beam_search(
                    step,
                    state,
                    memory,
                    beam_size=beam_size,
                    length_penalty=length_penalty,
                    coverage_penalty=coverage_penalty,
                    source_mask=self._words_to_cover(ids),
                    **options,
                )
            if words is not None:
                found = found._replace(token_ids=ops.take(words, found.token_ids))
            # Nothing is missing from the empty answer to an empty text.
            missing = ops.logical_and(found.truncated, lengths[:, None] > 1)
            return found._replace(truncated=missing)

        return search

    def _words_for(self, ids, full_vocabulary):
        """Returns the step of a search, its special ids, the words, what is allowed.

        With a shortlist, ids of the search are positions in its words, and `allowed` is
        handed to each step beside the memory.
        """
        special = self._special_ids()
        if self.shortlist is None or full_vocabulary:
            return self.seq2seq.step, special, None, None
        words, allowed = self.shortlist(ids)
        place = self.shortlist.special_ids.index
        special = {
            name: tuple(map(place, value)) if isinstance(value, tuple) else place(value)
            for name, value in special.items()
        }
        return self.seq2seq.step_of_words(words), special, words, allowed

    def respond_aligned(self, text, target):
        """Scores given targets in the graph.

        Args:
            text: `(B,)` strings.
            target: `(B,)` strings, the translation of each.

        Returns:
            A dict of tensors as from `respond`; `translation` is `target`, and its
            tokens lie in that.
        """
        from keras_attn.text import graph

        given = graph.at_least_one_row(target)
        forced = self.target_codec.encode(given, self.max_target_length)

        def score(ids, _):
            state, memory = self.seq2seq.encode(ids)
            hypotheses = score_targets(
                self.seq2seq.step,
                state,
                memory,
                target_ids=graph.to_backend(forced.ids),
                target_lengths=graph.to_backend(forced.lengths),
                start_id=self.target_codec.start_id,
                pad_id=self.target_codec.pad_id,
            )
            cut = ops.greater(graph.to_backend(forced.truncated), 0)
            return hypotheses._replace(truncated=cut[:, None])

        outputs = self._answer(text, score)
        rows = ops.shape(outputs["score"])[0]
        placed = {
            "translation": given,
            "target_tokens": forced.pieces,
            "target_begin": forced.begin,
            "target_end": forced.end,
        }
        return outputs | {name: tensor[:rows] for name, tensor in placed.items()}

    def _answer(self, text, search, count=None):
        """Runs encode -> search -> decode and names the results for serving.

        Of each row the best hypothesis is named, or the best `count` on an axis of
        their own.
        """
        from keras_attn.text import answers, copying, graph

        self._check_vocabularies()
        given = graph.at_least_one_row(text)
        encoded = self.source_codec.encode(given, self.max_source_length)
        found = search(graph.to_backend(encoded.ids), graph.to_backend(encoded.lengths))
        found = type(found)(
            *(graph.from_backend(field)[:, : count or 1] for field in found)
        )
        copies = None
        if self.replace_unknown:
            copies = copying.copies_for_unknown(
                given, encoded, self.source_codec.unknown_id, found.attention
            )
        written = answers.written_outputs(self.target_codec, found, copies)
        if count is None:
            written = {name: tensor[:, 0] for name, tensor in written.items()}
        outputs = answers.read_outputs(encoded) | written
        rows = text.shape[0] if text.shape[0] is not None else ops.shape(text)[0]
        return {name: tensor[:rows] for name, tensor in outputs.items()}

    def _check_vocabularies(self):
        # Not in the constructor: a codec that is being restored has no model yet.
        config = self.seq2seq.config
        for side, codec, size in (
            ("source", self.source_codec, config.source_vocabulary_size),
            ("target", self.target_codec, config.target_vocabulary_size),
        ):
            if codec.vocabulary_size != size:
                raise ValueError(
                    f"`{side}_codec` must have the vocabulary that `seq2seq` was made "
                    f"for. Received: vocabulary_size={codec.vocabulary_size} for a "
                    f"model with {side}_vocabulary_size={size}."
                )

    def _target_limits(self, source_lengths):
        limits = _TARGET_PER_SOURCE * source_lengths + _TARGET_MORE
        limits = ops.minimum(limits, self.max_target_length)
        # A text without words, only the end token, gets a translation without words.
        return ops.where(source_lengths > 1, limits, 1)

    def _words_to_cover(self, ids):
        codec = self.source_codec
        special = ops.logical_or(
            ops.equal(ids, codec.pad_id), ops.equal(ids, codec.end_id)
        )
        return ops.logical_not(special)

    def _special_ids(self):
        codec = self.target_codec
        forbidden = (codec.pad_id, codec.unknown_id, codec.start_id)
        if self.replace_unknown:
            forbidden = (codec.pad_id, codec.start_id)
        return {
            "start_id": codec.start_id,
            "end_id": codec.end_id,
            "pad_id": codec.pad_id,
            "forbidden_ids": forbidden,
        }

    def _in_batches(self, respond, columns, batch_size):
        """Answers rows of `columns` in batches of similar length, order kept."""
        from keras_attn.text import graph

        _check_limits(batch_size=batch_size)
        compiled = self._compile(respond, len(columns))
        order = np.argsort([len(text) for text in columns[0]], kind="stable")
        answers: list[Translation | None] = [None] * len(order)
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            outputs = compiled(
                *(graph.strings(column[row] for row in rows) for column in columns)
            )
            arrays = {name: np.asarray(value) for name, value in outputs.items()}
            sources = [columns[0][row] for row in rows]
            for row, answer in zip(
                rows, translations_from_outputs(sources, arrays), strict=True
            ):
                answers[row] = answer
        return answers

    def _compile(self, respond, arguments):
        """Compiles an answering function once for each set of its options."""
        from keras_attn.text import graph

        key = (arguments, *sorted(getattr(respond, "keywords", {}).items()))
        if key not in self._compiled:
            self._compiled[key] = graph.compile_texts(respond, arguments)
        return self._compiled[key]

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            "name": self.name,
            "seq2seq": _without_training(serialize(self.seq2seq)),
            "source_codec": serialize(self.source_codec),
            "target_codec": None if self.shares_codec else serialize(self.target_codec),
            "beam_size": self.beam_size,
            "length_penalty": self.length_penalty,
            "max_source_length": self.max_source_length,
            "max_target_length": self.max_target_length,
            "shortlist": None if self.shortlist is None else serialize(self.shortlist),
            "coverage_penalty": self.coverage_penalty,
            "replace_unknown": self.replace_unknown,
            "format_version": FORMAT_VERSION,
        }

    @classmethod
    def from_config(cls, config):
        # Registers the class of the codecs that are restored here.
        from keras_attn.text import codec  # noqa: F401

        parts = ("seq2seq", "source_codec", "target_codec", "shortlist")
        return cls(**restored_parts(config, *parts))

    def build_from_config(self, config):
        """Does nothing: the parts are built by their own configs."""


def _cast(model, precision):
    """Returns a new `Seq2Seq` with the same weights in another precision."""
    cast = Seq2Seq(model.config, dtype=precision)
    for new, old in zip(cast.weights, model.weights, strict=True):
        new.assign(old)
    return cast


def _without_training(config):
    """Drops optimizer, loss and metrics: a translator only answers."""
    return {key: config[key] for key in config if key != "compile_config"}


def _check_penalties(**values):
    for name, value in values.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not value >= 0:
            raise ValueError(
                f"`{name}` must be a number, 0 or more. Received: {name}={value!r}."
            )


def _check_limits(**values):
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(
                f"`{name}` must be a positive integer. Received: {name}={value!r}."
            )
