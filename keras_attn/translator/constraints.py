"""What the translations of a batch must begin with and contain.

Strings and ids are of the two sides of `keras_attn.text.graph`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from keras import ops

from keras_attn.decoding import Hypotheses, Phrases, contains_phrases, force_prefix
from keras_attn.decoding.phrases import fit_phrases
from keras_attn.text import graph
from keras_attn.text.constraints import begins_with, encode_phrases, encode_prefixes
from keras_attn.typing import Tensor

if TYPE_CHECKING:
    from keras_attn.translator.translator import Translator

__all__ = ["Constraints", "add_words"]


class Constraints(NamedTuple):
    """The constraints of `B` rows: tensors of the Keras backend, beside strings."""

    prefix_ids: Tensor  # (B, P) int32, -1 for any token of `completions`
    prefix_lengths: Tensor  # (B,) int32
    completions: Tensor  # (B, C, V) bool
    phrases: Phrases
    prefix_text: Tensor  # (B,) string
    is_whole: Tensor  # (B,) bool, beside strings: False where a part cannot be written

    @classmethod
    def encode(
        cls, translator: "Translator", prefix: Tensor, required: Tensor
    ) -> "Constraints":
        """Encodes the constraints of a batch.

        Args:
            translator: `keras_attn.Translator`.
            prefix: `(B,)` strings.
            required: `(B,)` strings, phrases separated by newlines or tabs.
        """
        codec, limit = translator.target_codec, translator.max_target_length
        prefixes = encode_prefixes(codec, graph.at_least_one_row(prefix), limit)
        phrases = encode_phrases(codec, graph.at_least_one_row(required), limit)
        return cls(
            prefix_ids=graph.to_backend(prefixes.ids),
            prefix_lengths=graph.to_backend(prefixes.lengths),
            completions=graph.to_backend(prefixes.completions),
            phrases=Phrases(
                graph.to_backend(phrases.token_ids), graph.to_backend(phrases.lengths)
            ),
            prefix_text=prefixes.text,
            is_whole=prefixes.is_whole & phrases.is_whole,
        )

    def in_words(self, word_ids: Tensor) -> "Constraints":
        """Returns the constraints with positions in `word_ids` `(U,)` for ids."""
        size = ops.shape(self.completions)[2]
        # Of words that are not among them, nothing is asked.
        positions = ops.scatter_update(
            ops.full((size,), -1, dtype="int32"),
            word_ids[:, None],
            ops.arange(ops.shape(word_ids)[0], dtype="int32"),
        )

        def positions_of(ids):
            found = ops.take(positions, ops.maximum(ids, 0))
            return ops.where(ids < 0, -1, found)

        phrases = self.phrases._replace(token_ids=positions_of(self.phrases.token_ids))
        return self._replace(
            prefix_ids=positions_of(self.prefix_ids),
            completions=ops.take(self.completions, word_ids, axis=2),
            phrases=phrases,
        )

    def hook(self) -> Callable:
        """Returns the hook of a search that makes hypotheses begin with the prefix."""
        return force_prefix(self.prefix_ids, self.prefix_lengths, self.completions)

    def fitting_phrases(self, max_lengths: Tensor) -> Phrases:
        """Returns the phrases for which the limits `(B,)` leave room."""
        return fit_phrases(self.phrases, max_lengths - 1 - self.prefix_lengths)

    def are_met(self, hypotheses: Hypotheses, translation: Any) -> Tensor:
        """Tells which translations meet the constraints.

        Args:
            hypotheses: Of the Keras backend, the best first.
            translation: `(B,)` strings, their texts.

        Returns:
            `(B,)` int32, beside strings: 1 where a translation begins with its prefix
            and contains all its phrases.
        """
        # One column more, for there may be no tokens at all.
        token_ids = ops.pad(
            hypotheses.token_ids[:, 0], [[0, 0], [0, 1]], constant_values=-1
        )
        contained = contains_phrases(token_ids, hypotheses.lengths[:, 0], self.phrases)
        contained = graph.from_backend(ops.all(contained, axis=-1))
        begins = begins_with(translation, self.prefix_text)
        return graph.as_integers(self.is_whole & contained & begins)


def add_words(
    words: Tensor, allowed: Tensor, constraints: Constraints
) -> tuple[Tensor, Tensor]:
    """Adds the tokens of constraints to the words of a shortlist.

    Args:
        words: `(U,)` int32, the ids that the output layer computes.
        allowed: `(B, U)` booleans.
        constraints: Of `B` rows.

    Returns:
        Both with the other ids at their end, each allowed in the rows that need it.
    """
    rows, size = (ops.shape(constraints.completions)[axis] for axis in (0, 2))
    needed = ops.concatenate(
        [
            constraints.prefix_ids,
            ops.reshape(constraints.phrases.token_ids, (rows, -1)),
        ],
        axis=1,
    )  # (B, M)
    all_ids = ops.arange(size, dtype="int32")
    is_needed = ops.any(ops.equal(needed[:, :, None], all_ids), axis=1)  # (B, V)
    is_new = ops.logical_and(
        ops.any(is_needed, axis=0),
        ops.logical_not(ops.any(ops.equal(words[:, None], all_ids), axis=0)),
    )
    words = ops.concatenate([words, ops.cast(ops.nonzero(is_new)[0], "int32")])
    missing = ops.shape(words)[0] - ops.shape(allowed)[1]
    allowed = ops.pad(allowed, [[0, 0], [0, missing]], constant_values=False)
    return words, ops.logical_or(allowed, ops.take(is_needed, words, axis=1))
