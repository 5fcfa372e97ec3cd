"""Text in, translation out: the thing that is saved, evaluated and served."""

from __future__ import annotations

import functools
import math
import os
import random
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import keras

from keras_attn.decoding import Sampling
from keras_attn.decoding.prefix import Adjust
from keras_attn.decoding.sampling import signed_word
from keras_attn.deprecation import renamed_method
from keras_attn.layers import Aligner
from keras_attn.layers.aligner import check_aligner
from keras_attn.layers.arguments import deserialize_parts
from keras_attn.layers.decoder.lexical_shortlist import LexicalShortlist
from keras_attn.models import Ensemble, Seq2Seq
from keras_attn.presets import check_digest, download_translator, is_url
from keras_attn.saved import (
    check_translator_file,
    find_translator,
    unreadable_translator,
)
from keras_attn.text.joined_translations import join_translations
from keras_attn.translation import (
    Translation,
    check_prefixes,
    check_required,
    check_texts,
    utf8,
)
from keras_attn.translator.alignment import cast_aligner, prepare_aligner
from keras_attn.translator.finite_weights import check_finite_weights
from keras_attn.translator.search import (
    check_limits,
    check_penalties,
    check_split_sentences,
    make_search,
)
from keras_attn.typing import Config, LayerOptions, Structure, Tensor

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from keras_attn.text import SubwordCodec
    from keras_attn.text.whole_texts import Splitter

__all__ = ["Translator"]

_FORMAT_VERSION = 2  # the newest of saved files: one with an aligner
_FORMAT_WITHOUT_ALIGNER = 1  # which older releases read
_DTYPES = {"row_seeds": "int32"}  # of columns that are not of strings
_REASON_LENGTH = 200  # Keras quotes whole configurations
# Candidates that are searched at a time for each text of a batch, whose logits are all
# in memory: enough for matrix products of full speed.
_CANDIDATES_PER_TEXT = 8
_PRECISIONS = ("float32", "bfloat16")


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
        beam_size: Number of beams; 1 is greedy search.
        length_penalty: Exponent of the length by which the log p of a hypothesis is
            divided when hypotheses are ranked.
        max_source_length: Maximum number of source tokens that are translated at a
            time, end token included. Longer sentences are cut at the best place; where
            texts are not split, tokens beyond are not read, and
            `Translation.source_truncated` counts them.
        max_target_length: Maximum number of target tokens, end token included; also
            at most 3 per source token and 10 more. `Translation.target_truncated`
            says whether a limit ended the translation.
        shortlist: A `LexicalShortlist` of the words that a source can be translated
            by; `None`: the whole vocabulary. It makes translation faster, and log p is
            over the allowed words.
        coverage_penalty: Weight of the coverage penalty when hypotheses are ranked
            (see `beam_search`); 0: none.
        replace_unknown: Whether the unknown token may be predicted; it is replaced by
            the source word that the aligner links to it or, without one, the word with
            the most attention. `False`: it is never predicted.
        split_sentences: Which texts are split into sentences, each translated by
            itself: `"always"`, all with more than one sentence; `"long"`, those with
            more source tokens than a text had in training; `"never"`, none.
        trained_source_length: Maximum number of source tokens of a text in training,
            end token included; `None`: unknown, so that `max_source_length` stands for
            it.
        aligner: An `Aligner` trained on the states of `seq2seq`, which computes
            `Translation.alignment` of every translation; `None`: no alignment.
        format_version: Version of the saved file's format.
        **kwargs: Passed to `keras.Model`.

    Raises:
        TypeError: If `aligner` is no `Aligner`.
        ValueError: If `seq2seq` is not a model that translates, an option is out of
            range, the aligner belongs to another model or comes with an `Ensemble`, or
            the file was written by a newer format.

    Example:

    >>> from keras_attn import Seq2Seq, Seq2SeqConfig
    >>> from keras_attn.text import SubwordCodec, learn_subwords
    >>> codec = SubwordCodec(learn_subwords(["ein Hund", "a dog"], 20))
    >>> size = codec.vocabulary_size
    >>> config = Seq2SeqConfig(source_vocabulary_size=size, target_vocabulary_size=size)
    >>> translator = Translator(Seq2Seq(config), codec)
    >>> [translation] = translator.translate(["ein Hund"])
    >>> target_length, source_length = translation.attention.shape
    >>> target_length == len(translation.target_tokens)
    True
    """

    def __init__(
        self,
        seq2seq: Seq2Seq | Ensemble,
        source_codec: SubwordCodec,
        target_codec: SubwordCodec | None = None,
        beam_size: int = 5,
        length_penalty: float = 1.0,
        max_source_length: int = 256,
        max_target_length: int = 256,
        shortlist: LexicalShortlist | None = None,
        coverage_penalty: float = 0.0,
        replace_unknown: bool = False,
        split_sentences: str = "always",
        trained_source_length: int | None = None,
        aligner: Aligner | None = None,
        format_version: int = _FORMAT_VERSION,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        # First: a newer format may have arguments that Keras would refuse.
        if format_version > _FORMAT_VERSION:
            raise ValueError(
                f"This release reads translators up to format {_FORMAT_VERSION}. "
                f"Received: format_version={format_version}. Install a newer one."
            )
        super().__init__(**kwargs)
        if not isinstance(seq2seq, Seq2Seq | Ensemble):
            raise ValueError(
                "`seq2seq` must be a `Seq2Seq` or an `Ensemble` of them. "
                f"Received: seq2seq={seq2seq!r}."
            )
        check_limits(
            beam_size=beam_size,
            max_source_length=max_source_length,
            max_target_length=max_target_length,
        )
        check_penalties(
            length_penalty=length_penalty, coverage_penalty=coverage_penalty
        )
        if aligner is not None:
            prepare_aligner(aligner, seq2seq)
        elif replace_unknown and seq2seq.config.attention is None:
            raise ValueError(
                "`replace_unknown` copies the word with the most attention, so the "
                f"model must have one. Received: replace_unknown={replace_unknown!r} "
                "for a model with attention=None."
            )
        self.seq2seq = seq2seq
        self.aligner = aligner
        self.source_codec = source_codec
        self.target_codec = source_codec if target_codec is None else target_codec
        self.beam_size = beam_size
        self.length_penalty = length_penalty
        self.max_source_length = max_source_length
        self.max_target_length = max_target_length
        self.shortlist = shortlist
        self.coverage_penalty = coverage_penalty
        self.replace_unknown = replace_unknown
        self.split_sentences = check_split_sentences(split_sentences)
        if trained_source_length is not None:
            check_limits(trained_source_length=trained_source_length)
        self.trained_source_length = trained_source_length
        self._compiled: dict[tuple, Callable[..., Structure]] = {}
        self._splitters: dict[str, Splitter] = {}
        self.built = True

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Translator:
        """Restores a saved translator, as `keras.saving.load_model` does.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If the file does not hold a translator, is damaged, or has a
                weight that is infinite or NaN.
        """
        try:
            loaded = keras.saving.load_model(path)
        except (ImportError, MemoryError):  # the file may be good
            raise
        # Damaged bytes make `zipfile`, `h5py` and Keras raise nearly anything.
        except Exception as error:
            check_translator_file(path)
            reason = " ".join(str(error).split()) or repr(error)
            raise unreadable_translator(
                path, f"cannot be read ({reason[:_REASON_LENGTH]})"
            ) from error
        if not isinstance(loaded, cls):
            raise unreadable_translator(path, f"holds a {type(loaded).__name__}")
        for codec in (loaded.source_codec, loaded.target_codec):
            try:
                codec.vocabulary_size  # noqa: B018  Keras loads a file without assets
            except ValueError as error:
                raise unreadable_translator(path, "lacks a vocabulary") from error
        check_finite_weights(loaded, os.fspath(path))
        return loaded

    @classmethod
    def from_preset(
        cls, preset: str | os.PathLike[str], file_hash: str | None = None
    ) -> Translator:
        """Loads a finished translator: an installed one, a file, a folder or a URL.

        The preset `demo_de_en`, or `demo` for short, translates the German sentences of
        the built-in grammar to English.

        Args:
            preset: Name of a preset, a `.keras` file, a folder with `translator.keras`
                in it, or the URL of a `.keras` file, which is downloaded once into
                Keras's home.
            file_hash: The SHA-256 checksum of the file, in hexadecimal digits. A URL
                needs it; a preset has its own.

        Raises:
            FileNotFoundError: If there is no such preset, file or folder.
            ValueError: If the file has another checksum or is not a translator's, or a
                URL comes without a checksum. A download with another one is removed.
            OSError: If the URL cannot be downloaded.

        Example:

        >>> translator = Translator.from_preset("demo")
        >>> translator.source_codec.vocabulary_size
        1800
        """
        if is_url(preset):
            return cls.load(download_translator(os.fspath(preset), file_hash))
        file = find_translator(preset)
        if file_hash is not None:
            check_digest(file, file_hash, "`file_hash`", "Name the file it belongs to")
        return cls.load(file)

    def save(
        self,
        filepath: str | os.PathLike[str],
        overwrite: bool = True,
        zipped: bool | None = None,
        **kwargs: Any,
    ) -> None:
        """Saves the translator as one `.keras` file, vocabularies inside.

        Args:
            filepath: Path that ends in `.keras`.
            overwrite: As in Keras.
            zipped: As in Keras.
            **kwargs: Passed to `keras.Model.save`.

        Raises:
            ValueError: If `filepath` is that of an HDF5 file.
        """
        if str(filepath).endswith((".h5", ".hdf5")):
            raise _without_vocabularies(filepath)
        super().save(filepath, overwrite=overwrite, zipped=zipped, **kwargs)

    def save_weights(self, filepath: str | os.PathLike[str], **kwargs: Any) -> NoReturn:
        """Raises `ValueError`: a file of weights cannot hold the vocabularies."""
        raise _without_vocabularies(filepath)

    def export(
        self,
        filepath: str | os.PathLike[str],
        format: str = "tf_saved_model",
        **kwargs: Any,
    ) -> NoReturn:
        """Raises `ValueError`: `keras_attn.serving` exports translators.

        `keras.Model.export` traces a call over numbers; a translator reads text, and
        its export has several signatures.
        """
        raise ValueError(
            "A translator is exported for TensorFlow Serving by "
            "`keras_attn.serving.export_translator(translator, models_dir)` or, from "
            "its file, by `keras-attn export`. "
            f"Received: filepath={os.fspath(filepath)!r} for `Translator.export`. "
            "For the model over ids alone call `translator.seq2seq.export(filepath)`."
        )

    def in_precision(self, precision: str) -> Translator:
        """Returns a translator with the same weights in another precision.

        With `"bfloat16"`, files and weights in memory take half the space, and
        processors with 16-bit matrix products translate a batch faster. Softmax, log p
        and attention weights stay float32.

        Args:
            precision: `"float32"` or `"bfloat16"`.

        Returns:
            A new translator, its aligner in that precision too; codecs and shortlist
            are shared with this one.

        Raises:
            ValueError: If `precision` is neither of them.
        """
        if precision not in _PRECISIONS:
            raise ValueError(
                f"`precision` must be one of {', '.join(map(repr, _PRECISIONS))}. "
                f"Received: precision={precision!r}."
            )
        aligner = self.aligner
        return self._with(
            _cast_model(self.seq2seq, precision),
            self.shortlist,
            None if aligner is None else cast_aligner(aligner, precision),
        )

    def with_model(self, seq2seq: Seq2Seq | Ensemble) -> Translator:
        """Returns a translator with the same options around another model.

        It has no aligner: an aligner reads the states of the model that it was trained
        on. Train one for the new model and add it by `with_aligner`.

        Args:
            seq2seq: A `Seq2Seq` or an `Ensemble` with the same vocabularies.

        Returns:
            A new translator; codecs and shortlist are shared with this one.

        Raises:
            ValueError: If `seq2seq` is neither.
        """
        return self._with(seq2seq, self.shortlist, None)

    def with_shortlist(self, shortlist: LexicalShortlist | None) -> Translator:
        """Returns a translator with the same model and options, and another shortlist.

        Args:
            shortlist: The words that a source can be translated by; `None`: all.

        Returns:
            A new translator; model, codecs and aligner are shared with this one.
        """
        return self._with(self.seq2seq, shortlist, self.aligner)

    def with_aligner(self, aligner: Aligner | None) -> Translator:
        """Returns a translator with the same model and options, and another aligner.

        Translations, scores and attention stay the same; translations get an
        `alignment`.

        Args:
            aligner: An `Aligner` trained on the states of this translator's model;
                `None`: no alignment.

        Returns:
            A new translator; model, codecs and shortlist are shared with this one.

        Raises:
            TypeError: If `aligner` is no `Aligner`.
            ValueError: If it was trained on another translator, or this translator's
                model is an `Ensemble`.
        """
        translator = self._with(self.seq2seq, self.shortlist, aligner)
        if aligner is not None:
            check_aligner(aligner, translator)
        return translator

    def _with(self, seq2seq, shortlist, aligner):
        return Translator(
            seq2seq,
            self.source_codec,
            None if self.shares_codec else self.target_codec,
            shortlist=shortlist,
            aligner=aligner,
            **self._options(),
        )

    @property
    def shares_codec(self) -> bool:
        """Whether one codec serves source and target."""
        return self.target_codec is self.source_codec

    def translate(
        self,
        texts: Iterable[str],
        *,
        beam_size: int | None = None,
        length_penalty: float | None = None,
        coverage_penalty: float | None = None,
        prefixes: Sequence[str] | None = None,
        required: Sequence[Sequence[str]] | None = None,
        adjust: Adjust | None = None,
        sampling: Sampling | None = None,
        seed: int | Sequence[int] | None = None,
        mbr: int | None = None,
        full_vocabulary: bool = False,
        jit_compile: bool = False,
        batch_size: int = 64,
        parallel_batches: int | None = None,
        split_sentences: str | None = None,
    ) -> list[Translation]:
        """Translates texts of any length, their sentences in batches of similar length.

        Args:
            texts: Any number of texts, which may be empty.
            beam_size: Overrides the translator's own.
            length_penalty: Overrides the translator's own.
            coverage_penalty: Overrides the translator's own.
            prefixes: A beginning for each translation, which is completed; `""`: none.
                Its last word may be incomplete; after a blank the next word begins.
            required: Phrases that each translation must contain, in any order. The beam
                should have more beams than a text has required tokens.
                `Translation.constraints_met` tells whether the length limit left room
                for all.
            adjust: The hook of the search, over the ids of `target_codec` (see
                `keras_attn.decoding.greedy_search`). The shortlist is not used. Each
                function is traced once: pass the same one again.
            sampling: A `keras_attn.decoding.Sampling`, to draw translations in place of
                a search.
            seed: With `sampling`: an integer for each text, or the first of as many
                successive ones. A text with the same integer gets the same sample,
                alone and in any batch. `None`: new samples.
            mbr: Number of candidates of each sentence among which the translation is
                chosen by minimum Bayes risk (see
                `keras_attn.metrics.minimum_bayes_risk`): as many best hypotheses of the
                beam, which has at least that many beams, or with `sampling` as many
                samples. `None`: the best hypothesis, or one sample.
            full_vocabulary: Whether to ignore the shortlist.
            jit_compile: Whether XLA compiles the search, on TensorFlow. It takes
                seconds, once for each number of texts and every 16 tokens of the
                longest one; afterwards texts that come one by one take less time.
            batch_size: Texts per batch; with more than 8 candidates fewer, so that
                memory does not grow with `mbr`.
            parallel_batches: Batches computed at the same time, without effect on the
                results. `None`: 2 on a CPU with several cores, else 1.
            split_sentences: Overrides the translator's own. Texts with prefixes or
                required phrases are never split: these belong to the whole.

        Returns:
            A `Translation` for each text, in the order of `texts`.

        Raises:
            TypeError: If `texts` is a single string or holds anything but strings, or
                a constraint or seed is of another type.
            ValueError: If an option is out of range, there is not one prefix, list of
                phrases or seed for each text, a phrase is empty, a constraint holds
                characters that the target vocabulary lacks or is longer than the limit,
                or options exclude each other.
        """
        texts = check_texts("texts", texts)
        columns = {"text": texts}
        if prefixes is not None or required is not None:
            columns |= self._constraint_columns(prefixes, required, len(texts))
        if sampling is not None:
            _check_sampling(sampling, beam_size, required)
            columns["row_seeds"] = _row_seeds(seed, len(texts))
        elif seed is not None:
            raise ValueError(
                "`seed` is that of samples, and a search draws none. Received: "
                f"seed={seed!r} without `sampling`."
            )
        check_limits(batch_size=batch_size)
        if mbr is not None:
            _check_mbr(mbr, prefixes=prefixes, required=required)
        if jit_compile and len(columns) > 1:
            raise ValueError(
                "Constraints and samples are not compiled by XLA. Received: "
                f"jit_compile=True with {', '.join(list(columns)[1:])}."
            )
        search_graph, choose = self.translate_graph, None
        if mbr is not None:
            from keras_attn.translator.bayes_risk import choose_hypotheses

            search_graph = functools.partial(self.nbest_graph, count=mbr)
            choose = functools.partial(choose_hypotheses, weighted=sampling is None)
            batch_size = math.ceil(batch_size / math.ceil(mbr / _CANDIDATES_PER_TEXT))
        graph_function = functools.partial(
            search_graph,
            beam_size=_given(beam_size, self.beam_size),
            length_penalty=_given(length_penalty, self.length_penalty),
            coverage_penalty=_given(coverage_penalty, self.coverage_penalty),
            adjust=adjust,
            sampling=sampling,
            full_vocabulary=full_vocabulary,
            jit_compile=jit_compile,
            split_sentences="never",
        )
        mode = self._split_mode(split_sentences, prefixes, required)
        spans = self._sentence_spans(texts, mode)
        if spans is None:
            return self._in_batches(
                graph_function, columns, batch_size, parallel_batches, choose
            )
        rows = [row for row, row_spans in enumerate(spans) for _ in row_spans]
        encoded = [utf8(text) for text in texts]
        sentences = {
            name: [column[row] for row in rows] for name, column in columns.items()
        }
        sentences["text"] = [
            encoded[row][begin:end].decode("utf-8")
            for row, row_spans in enumerate(spans)
            for begin, end in row_spans
        ]
        translations = iter(
            self._in_batches(
                graph_function, sentences, batch_size, parallel_batches, choose
            )
        )
        return [
            join_translations(text, row_spans, [next(translations) for _ in row_spans])
            for text, row_spans in zip(texts, spans, strict=True)
        ]

    def align(
        self,
        sources: Iterable[str],
        targets: Iterable[str],
        *,
        posterior: bool = False,
        batch_size: int = 64,
        parallel_batches: int | None = None,
    ) -> list[Translation]:
        """Scores given translations and returns the attention of each target token.

        Args:
            sources: Source texts.
            targets: A translation of each.
            posterior: Whether to return posterior attention (`posterior_weights`),
                computed once the target token is known. It takes one more decoder step
                per source token, and memory for them: choose a smaller batch for long
                sentences. There is no alignment then, for which an aligner reads the
                decoder's own attention.
            batch_size: Pairs per batch.
            parallel_batches: As in `translate`.

        Returns:
            A `Translation` for each pair, whose text is the given target.

        Raises:
            TypeError: As in `translate`.
            ValueError: If there is not one target for each source.
        """
        sources, targets = (
            check_texts("sources", sources),
            check_texts("targets", targets),
        )
        if len(sources) != len(targets):
            raise ValueError(
                "Each source needs one target. "
                f"Received: sources={len(sources)}, targets={len(targets)}."
            )
        columns = {"text": sources, "target": targets}
        graph_function = functools.partial(self.align_graph, posterior=posterior)
        return self._in_batches(graph_function, columns, batch_size, parallel_batches)

    def translate_graph(
        self,
        text: Tensor,
        beam_size: int | None = None,
        length_penalty: float | Tensor | None = None,
        full_vocabulary: bool = False,
        coverage_penalty: float | None = None,
        max_length: Tensor | None = None,
        jit_compile: bool = False,
        prefix: Tensor | None = None,
        required: Tensor | None = None,
        row_seeds: Tensor | None = None,
        adjust: Adjust | None = None,
        sampling: Sampling | None = None,
        split_sentences: str | None = None,
    ) -> dict[str, Tensor]:
        """Translates a string tensor in the graph: the exported signature `translate`.

        Args:
            text: `(B,)` strings, any bytes, any B.
            beam_size: Overrides the translator's own; a Python number.
            length_penalty: Overrides the translator's own; a Python number, or `(B,)`
                floats, clamped to [0, 5], where NaN stands for the translator's own.
            full_vocabulary: As in `translate`; a Python bool.
            coverage_penalty: Overrides the translator's own; a Python number.
            max_length: `(B,)` integers, maximum number of target tokens of each of a
                row's sentences, end token included; clamped to
                [1, `max_target_length`]. `None`: the translator's own.
            jit_compile: As in `translate`; a Python bool. Stock TensorFlow Serving
                refuses such a graph.
            prefix: `(B,)` strings, the beginnings of the translations. What the target
                vocabulary or the length limit does not allow is left out.
            required: `(B,)` strings, the phrases of each row separated by newlines or
                tabs; likewise.
            row_seeds: `(B,)` integers; with `sampling`.
            adjust: As in `translate`.
            sampling: As in `translate`.
            split_sentences: As in `translate`; a Python string.

        Returns:
            A dict of tensors: the outputs of the serving signature `translate`, or of
            `translate_constrained` with a prefix or phrases.
        """
        from keras_attn.translator.graphs import (
            as_one_operation,
            translate_outputs,
            whole_text_outputs,
        )

        mode = self._split_mode(split_sentences, prefix, required)

        constraints = None
        if prefix is not None or required is not None:
            from keras_attn.text import graph
            from keras_attn.translator.constraints import Constraints

            constraints = Constraints.encode(
                self,
                graph.empty_like(text) if prefix is None else prefix,
                graph.empty_like(text) if required is None else required,
            )

        search = make_search(
            self,
            beam_size=_given(beam_size, self.beam_size),
            length_penalty=_given(length_penalty, self.length_penalty),
            coverage_penalty=_given(coverage_penalty, self.coverage_penalty),
            max_length=max_length,
            constraints=constraints,
            adjust=adjust,
            sampling=sampling,
            row_seeds=row_seeds,
            full_vocabulary=full_vocabulary,
            jit_compile=jit_compile,
        )

        def translate(sentences, rows):
            return translate_outputs(
                self,
                sentences,
                functools.partial(search, rows=rows),
                constraints=constraints,
            )

        return whole_text_outputs(self, text, as_one_operation(translate), mode)

    def nbest_graph(
        self,
        text: Tensor,
        count: int,
        beam_size: int | None = None,
        length_penalty: float | Tensor | None = None,
        full_vocabulary: bool = False,
        split_sentences: str | None = None,
        coverage_penalty: float | None = None,
        jit_compile: bool = False,
        row_seeds: Tensor | None = None,
        adjust: Adjust | None = None,
        sampling: Sampling | None = None,
    ) -> dict[str, Tensor]:
        """Translates a string tensor into several hypotheses each, in the graph.

        Args:
            text: `(B,)` strings, any bytes, any B.
            count: `K`, number of hypotheses per text, best first; a Python number. The
                beam size is at least as large.
            beam_size: As in `translate_graph`.
            length_penalty: As in `translate_graph`.
            full_vocabulary: As in `translate_graph`.
            split_sentences: As in `translate_graph`. The k-th translation of a text is
                made of the k-th of each sentence, or of the last one of a sentence that
                has fewer.
            coverage_penalty: As in `translate_graph`.
            jit_compile: As in `translate_graph`.
            row_seeds: As in `translate_graph`.
            adjust: As in `translate_graph`.
            sampling: As in `translate_graph`; the hypotheses are then samples, in the
                order of drawing.

        Returns:
            A dict of tensors: the outputs of the serving signature `nbest`.
        """
        from keras_attn.translator.graphs import (
            as_one_operation,
            translate_outputs,
            whole_text_outputs,
        )

        check_limits(count=count)
        search = make_search(
            self,
            beam_size=max(_given(beam_size, self.beam_size), count),
            length_penalty=_given(length_penalty, self.length_penalty),
            coverage_penalty=_given(coverage_penalty, self.coverage_penalty),
            adjust=adjust,
            sampling=sampling,
            row_seeds=row_seeds,
            num_samples=count,
            full_vocabulary=full_vocabulary,
            jit_compile=jit_compile,
        )

        def translate(sentences, rows):
            search_rows = functools.partial(search, rows=rows)
            return translate_outputs(self, sentences, search_rows, count)

        mode = self._split_mode(split_sentences)
        translate = as_one_operation(translate)
        return whole_text_outputs(self, text, translate, mode, count)

    def align_graph(
        self, text: Tensor, target: Tensor, posterior: bool = False
    ) -> dict[str, Tensor]:
        """Scores given targets in the graph.

        Args:
            text: `(B,)` strings.
            target: `(B,)` strings, the translation of each.
            posterior: As in `align`; a Python bool.

        Returns:
            As `translate_graph`; `translation` is `target`, and the offsets of target
            tokens refer to it.
        """
        from keras_attn.translator.graphs import align_outputs

        return align_outputs(self, text, target, posterior)

    respond = renamed_method("respond", "translate_graph")
    respond_nbest = renamed_method("respond_nbest", "nbest_graph")
    respond_aligned = renamed_method("respond_aligned", "align_graph")

    def splitter(self, split_sentences: str) -> Splitter | None:
        """Returns what finds the sentences of texts, or `None` where none is split.

        Args:
            split_sentences: `"never"`, `"long"` or `"always"`.
        """
        if split_sentences == "never":
            return None
        if split_sentences not in self._splitters:
            from keras_attn.text.whole_texts import Splitter

            max_tokens = self.max_source_length - 1  # without the end token
            trained = self.trained_source_length or self.max_source_length
            is_long = split_sentences == "long"
            self._splitters[split_sentences] = Splitter(
                self.source_codec,
                max_tokens=max_tokens,
                whole_tokens=min(trained - 1, max_tokens) if is_long else None,
            )
        return self._splitters[split_sentences]

    def _split_mode(self, split_sentences, *constraints):
        """Returns how texts are split, those with constraints never."""
        mode = check_split_sentences(_given(split_sentences, self.split_sentences))
        return mode if all(value is None for value in constraints) else "never"

    def _sentence_spans(self, texts, mode):
        """Returns the spans of each text's sentences; `None` where none is split."""
        splitter = self.splitter(mode)
        if splitter is None or not texts:
            return None
        encoded = [utf8(text) for text in texts]
        spans = splitter.split(encoded)
        whole = [[(0, len(text))] for text in encoded]
        return None if spans == whole else spans

    def _constraint_columns(self, prefixes, required, count):
        """Returns checked constraints as columns of strings."""
        from keras_attn.text.constraints import check_writable

        prefixes = check_prefixes(prefixes, count)
        required = check_required(required, count)
        check_writable(
            self.target_codec,
            "prefixes",
            prefixes,
            [f"prefixes[{row}]" for row in range(count)],
            self.max_target_length,
        )
        numbers = [
            (row, number)
            for row, phrases in enumerate(required)
            for number in range(len(phrases))
        ]
        check_writable(
            self.target_codec,
            "required",
            [required[row][number] for row, number in numbers],
            [f"required[{row}][{number}]" for row, number in numbers],
            self.max_target_length,
        )
        return {"prefix": prefixes, "required": ["\n".join(row) for row in required]}

    def _in_batches(
        self, graph_function, columns, batch_size, parallel_batches, choose=None
    ):
        """Translates rows of `columns` by a graph function, which is compiled once."""
        from keras_attn.text import graph
        from keras_attn.translator.batches import translate_in_batches

        if parallel_batches is None:
            parallel_batches = graph.parallel_batches()
        check_limits(batch_size=batch_size, parallel_batches=parallel_batches)
        key = (*columns, *sorted(graph_function.keywords.items()))
        if key not in self._compiled:
            names, dtypes = tuple(columns), map(_DTYPES.get, columns)
            self._compiled[key] = graph.compile_texts(
                lambda *tensors: graph_function(
                    **dict(zip(names, tensors, strict=True))
                ),
                [dtype or "string" for dtype in dtypes],
            )
        return translate_in_batches(
            self._compiled[key], columns, batch_size, parallel_batches, choose
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
            "split_sentences": self.split_sentences,
            "trained_source_length": self.trained_source_length,
        }

    def get_config(self) -> Config:
        parts: dict[str, Any] = {
            "seq2seq": self.seq2seq,
            "source_codec": self.source_codec,
            "target_codec": None if self.shares_codec else self.target_codec,
            "shortlist": self.shortlist,
        }
        version = _FORMAT_WITHOUT_ALIGNER
        if self.aligner is not None:
            parts["aligner"], version = self.aligner, _FORMAT_VERSION
        serialize = keras.saving.serialize_keras_object
        parts = {name: serialize(part) for name, part in parts.items()}
        # Without optimizer, loss and metrics: a translator is not trained.
        parts["seq2seq"].pop("compile_config", None)
        return {
            **parts,
            "name": self.name,
            **self._options(),
            "format_version": version,
        }

    @classmethod
    def from_config(cls, config: Config) -> Self:
        parts = ("seq2seq", "source_codec", "target_codec", "shortlist", "aligner")
        return cls(**deserialize_parts(config, *parts))

    def build_from_config(self, config: Config) -> None:
        """Does nothing: the parts are built by their own configs."""


def _without_vocabularies(filepath):
    """Returns the error for an HDF5 file, which holds no assets."""
    return ValueError(
        "A translator is saved with its vocabularies, which an HDF5 file cannot hold. "
        f"Received: filepath={os.fspath(filepath)!r}. Save a .keras file, or the "
        "weights of the model over ids by `translator.seq2seq.save_weights(filepath)`."
    )


def _check_sampling(sampling, beam_size, required):
    if not isinstance(sampling, Sampling):
        raise TypeError(
            "`sampling` must be a `keras_attn.decoding.Sampling`. "
            f"Received: sampling={sampling!r}."
        )
    if beam_size is not None:
        raise ValueError(
            "A sample is drawn without a beam; for several samples repeat the text. "
            f"Received: beam_size={beam_size!r} with sampling={sampling}."
        )
    if required is not None:
        raise ValueError(
            "Required phrases need a beam, and a sample is drawn without one. "
            f"Received: required={required!r} with sampling={sampling}."
        )


def _check_mbr(mbr, **constraints):
    check_limits(mbr=mbr)
    for name, value in constraints.items():
        if value is not None:
            raise ValueError(
                "Minimum Bayes risk chooses among candidates that no constraint binds. "
                f"Received: {name}={value!r} with mbr={mbr}. Leave one of them out."
            )


def _row_seeds(seed, count):
    """Returns `count` integers of 32 bits."""
    if seed is None:
        seed = random.randrange(2**31)
    seeds = range(seed, seed + count) if isinstance(seed, int) else list(seed)
    if len(seeds) != count:
        raise ValueError(
            "`seed` must be one integer, or one for each text. "
            f"Received: {len(seeds)} of them for texts={count}."
        )
    for value in seeds:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(
                f"`seed` must be made of integers. Received: seed={value!r}."
            )
    return [signed_word(value) for value in seeds]


def _given(value, default):
    return default if value is None else value


def _cast_model(seq2seq, precision):
    """Returns a new model with the same weights in another precision."""
    if isinstance(seq2seq, Ensemble):
        return Ensemble([_cast_model(member, precision) for member in seq2seq.members])
    cast = Seq2Seq(seq2seq.config, dtype=precision)
    for new, old in zip(cast.weights, seq2seq.weights, strict=True):
        new.assign(old)
    return cast
