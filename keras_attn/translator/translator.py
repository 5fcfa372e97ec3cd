"""Text in, translation out: the thing that is saved, evaluated and served."""

import functools
import os
from collections.abc import Iterable

import keras

from keras_attn.layers.decoder.lexical_shortlist import LexicalShortlist
from keras_attn.models import Ensemble, Seq2Seq
from keras_attn.translation import Translation, check_texts
from keras_attn.translator.checks import (
    check_limits,
    check_model,
    check_penalties,
    check_vocabularies,
)
from keras_attn.translator.file import (
    FORMAT_VERSION,
    check_format,
    config_of,
    restored_config,
)
from keras_attn.translator.precision import cast_model
from keras_attn.translator.search import SearchOptions, make_search

__all__ = ["Translator"]


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
        check_model(seq2seq)
        check_format(format_version)
        check_limits(
            beam_size=beam_size,
            max_source_length=max_source_length,
            max_target_length=max_target_length,
        )
        check_penalties(
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
        return self.with_model(cast_model(self.seq2seq, precision))

    def with_model(self, seq2seq: Seq2Seq | Ensemble) -> "Translator":
        """Returns a translator with the same options around another model.

        Args:
            seq2seq: Of the same vocabularies.

        Returns:
            A new translator; codecs and shortlist are shared with this one.

        Raises:
            ValueError: If `seq2seq` is no such model.
        """
        return self._with(seq2seq, self.shortlist)

    def with_shortlist(self, shortlist: LexicalShortlist | None) -> "Translator":
        """Returns a translator with the same model and options, and other words.

        Args:
            shortlist: The words that a source can be translated by; `None`: all.

        Returns:
            A new translator; model and codecs are shared with this one.
        """
        return self._with(self.seq2seq, shortlist)

    def _with(self, seq2seq, shortlist):
        return Translator(
            seq2seq,
            self.source_codec,
            None if self.shares_codec else self.target_codec,
            shortlist=shortlist,
            **self._options(),
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
        jit_compile: bool = False,
        batch_size: int = 64,
        parallel_batches: int | None = None,
    ) -> list[Translation]:
        """Translates texts, in batches of similar length.

        Args:
            texts: Any number of texts. Empty ones get an answer, too.
            beam_size: Overrides the translator's own.
            length_penalty: Overrides the translator's own.
            coverage_penalty: Overrides the translator's own.
            full_vocabulary: Whether to choose from all words, in spite of a shortlist.
            jit_compile: Whether XLA compiles the search, on TensorFlow. That takes
                seconds for each number of texts and every 16 tokens of the longest
                one, once; then texts that come one by one are answered sooner.
            batch_size: Texts computed together.
            parallel_batches: Batches computed at the same time, which changes no
                answer. `None`: 2 on a CPU with several cores, else 1.

        Returns:
            A `Translation` for each text, in the order of `texts`.

        Raises:
            TypeError: If `texts` is one string, or holds something else than strings.
            ValueError: If an option is out of range.
        """
        respond = functools.partial(
            self.translate_graph,
            beam_size=_given(beam_size, self.beam_size),
            length_penalty=_given(length_penalty, self.length_penalty),
            coverage_penalty=_given(coverage_penalty, self.coverage_penalty),
            full_vocabulary=full_vocabulary,
            jit_compile=jit_compile,
        )
        texts = check_texts("texts", texts)
        return self._in_batches(respond, [texts], batch_size, parallel_batches)

    def align(
        self,
        sources: Iterable[str],
        targets: Iterable[str],
        *,
        posterior: bool = False,
        batch_size: int = 64,
        parallel_batches: int | None = None,
    ) -> list[Translation]:
        """Scores given translations and says where the model looked for each word.

        Args:
            sources: Source texts.
            targets: A translation of each; written as it is, not searched for.
            posterior: Whether the attention is `posterior_weights`: not where the
                model looked before it wrote a word, but where, given the word, it
                found it. Takes as many decoder steps more as a source has tokens, and
                memory for them: choose a smaller batch for long sentences.
            batch_size: Pairs computed together.
            parallel_batches: As in `translate`.

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
        respond = functools.partial(self.align_graph, posterior=posterior)
        return self._in_batches(respond, columns, batch_size, parallel_batches)

    def translate_graph(
        self,
        text,
        beam_size=None,
        length_penalty=None,
        full_vocabulary=False,
        coverage_penalty=None,
        max_length=None,
        jit_compile=False,
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
            jit_compile: As in `translate`; a Python bool. Stock TensorFlow Serving
                refuses such a graph.

        Returns:
            A dict of tensors: the outputs of the serving signature `translate`.
        """
        search = self._search(
            full_vocabulary,
            beam_size=_given(beam_size, self.beam_size),
            length_penalty=_given(length_penalty, self.length_penalty),
            coverage_penalty=_given(coverage_penalty, self.coverage_penalty),
            row_limits=max_length,
            jit_compile=jit_compile,
        )
        return self._answer(text, search)

    def nbest_graph(
        self, text, count, beam_size=None, length_penalty=None, full_vocabulary=False
    ):
        """Translates a string tensor into several hypotheses each, in the graph.

        Args:
            text: `(B,)` strings, any bytes, any B.
            count: `K`, hypotheses of each text, best first; a Python number. Where it
                is larger than the beam, it is the beam.
            beam_size: As in `translate_graph`.
            length_penalty: As in `translate_graph`.
            full_vocabulary: As in `translate_graph`.

        Returns:
            A dict of tensors: the outputs of the serving signature `nbest`.
        """
        check_limits(count=count)
        search = self._search(
            full_vocabulary,
            beam_size=max(_given(beam_size, self.beam_size), count),
            length_penalty=_given(length_penalty, self.length_penalty),
            coverage_penalty=self.coverage_penalty,
        )
        return self._answer(text, search, count)

    def align_graph(self, text, target, posterior=False):
        """Scores given targets in the graph.

        Args:
            text: `(B,)` strings.
            target: `(B,)` strings, the translation of each.
            posterior: As in `align`; a Python bool.

        Returns:
            As from `translate_graph`; `translation` is `target`, and its tokens lie in
            that.
        """
        from keras_attn.text import graph
        from keras_attn.translator.graphs import placed_targets, score_given

        given = graph.at_least_one_row(target)
        forced = self.target_codec.encode(given, self.max_target_length)
        score = score_given(self.seq2seq, self.target_codec, forced, posterior)
        outputs = self._answer(text, score)
        rows = keras.ops.shape(outputs["score"])[0]
        return outputs | placed_targets(given, forced, rows)

    def _search(self, full_vocabulary, **options):
        """Returns the search of encoded texts that these options ask for."""
        sought = SearchOptions(
            max_target_length=self.max_target_length,
            writes_unknown=self.replace_unknown,
            **options,
        )
        return make_search(
            self.seq2seq,
            self.source_codec,
            self.target_codec,
            None if full_vocabulary else self.shortlist,
            sought.for_rows(self.length_penalty),
        )

    def _answer(self, text, search, count=None):
        """Runs encode -> search -> decode and names the results for serving."""
        from keras_attn.translator.graphs import answer_texts

        # Not in the constructor: a codec that is being restored has no model yet.
        check_vocabularies(self.seq2seq.config, self.source_codec, self.target_codec)
        return answer_texts(
            text,
            self.source_codec,
            self.max_source_length,
            self.target_codec,
            search,
            count,
            replace_unknown=self.replace_unknown,
        )

    def _in_batches(self, respond, columns, batch_size, parallel_batches):
        """Answers rows of `columns` by a function that is compiled once."""
        from keras_attn.text import graph
        from keras_attn.translator.batches import answer_in_batches

        if parallel_batches is None:
            parallel_batches = graph.parallel_batches()
        check_limits(batch_size=batch_size, parallel_batches=parallel_batches)
        key = (len(columns), *sorted(getattr(respond, "keywords", {}).items()))
        if key not in self._compiled:
            self._compiled[key] = graph.compile_texts(respond, len(columns))
        return answer_in_batches(
            self._compiled[key], columns, batch_size, parallel_batches
        )

    def _options(self):
        """The arguments of the constructor that are plain values."""
        return {
            "beam_size": self.beam_size,
            "length_penalty": self.length_penalty,
            "max_source_length": self.max_source_length,
            "max_target_length": self.max_target_length,
            "coverage_penalty": self.coverage_penalty,
            "replace_unknown": self.replace_unknown,
        }

    def get_config(self):
        parts = {
            "seq2seq": self.seq2seq,
            "source_codec": self.source_codec,
            "target_codec": None if self.shares_codec else self.target_codec,
            "shortlist": self.shortlist,
        }
        return config_of(parts, {"name": self.name, **self._options()})

    @classmethod
    def from_config(cls, config):
        return cls(**restored_config(config))

    def build_from_config(self, config):
        """Does nothing: the parts are built by their own configs."""


def _given(value, default):
    return default if value is None else value
