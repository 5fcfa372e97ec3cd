"""The segmentations of one word and how probable each of them is.

A distribution is a small graph that is walked backwards, from the end of a word to its
beginning: a step picks an edge by its probability, and an edge is a subword. The graph
of a word is exact and small where the list of its segmentations would be endless.
"""

import dataclasses
import math
import re
from collections.abc import Callable
from typing import Any

from keras_attn.text.vocabulary import read_vocabulary

__all__ = ["WordSegmentations", "word_segmentations"]

_WORD_BEGINS = "▁"

# Segmentations that are followed at once. Beyond them are the rare ones of long words.
_MOST_FOLLOWED = 32


@dataclasses.dataclass(frozen=True)
class WordSegmentations:
    """A graph of subwords; state 0 is the beginning of the word, the last its end.

    Attributes:
        edges: For each state but 0, in order, its edges backwards: `(probability,
            piece, state)`. They sum to 1; `piece` is an id.
    """

    edges: tuple[tuple[tuple[float, int, int], ...], ...]

    def all(self) -> dict[tuple[int, ...], float]:
        """Returns every segmentation and its probability; endless for long words."""
        found: list[dict[tuple[int, ...], float]] = [{(): 1.0}]
        for state_edges in self.edges:
            here: dict[tuple[int, ...], float] = {}
            for chance, piece, state in state_edges:
                for pieces, before in found[state].items():
                    ids = (*pieces, piece)
                    here[ids] = here.get(ids, 0.0) + chance * before
            found.append(here)
        return found[-1]


def word_segmentations(
    model: bytes, model_type: str, alpha: float
) -> Callable[[str], WordSegmentations]:
    """Returns the function from a word to the distribution over its segmentations.

    `unigram`: all segmentations `x` of a word, with `P(x)` the product of the model's
    probabilities of its pieces,

        P(x | word) = P(x)^alpha / sum over x' of P(x')^alpha

    the whole lattice rather than its n best. `bpe`: BPE-dropout. Of all merges that are
    possible each is left out with probability alpha; the first of the rest, by the
    model's order and then from the left, is done, until none is left. Followed are the
    32 most probable intermediate results of each length.

    A word begins with `▁`, as SentencePiece writes the space before it. A run of
    characters that the vocabulary lacks is one unknown token. Symbols of the vocabulary
    (see `learn_subwords`) are never cut.

    Args:
        model: The bytes of a SentencePiece model without pieces over several words.
        model_type: `"unigram"` or `"bpe"`.
        alpha: For unigram, above 0: 1 is the model's own distribution, and a smaller
            one is flatter. For bpe, in (0, 1]: the probability to leave out a merge.

    Raises:
        ValueError: If a piece goes over several words.

    Example:
    >>> from keras_attn.text import learn_subwords
    >>> model = learn_subwords(["ab ab b", "a ab"], 8)
    >>> found = word_segmentations(model, "unigram", 0.5)("▁ab").all()
    >>> len(found) > 1, round(sum(found.values()), 6)
    (True, 1.0)

    References: Kudo, 2018, arXiv:1804.10959, equation 8 (unigram). Provilkov et al.,
    2020, arXiv:1910.13267, algorithm 1 (bpe).
    """
    pieces, unknown = _read_pieces(model)
    units = _cutter(model, pieces)
    if model_type == "bpe":
        return lambda word: _bpe_dropout(units(word), pieces, unknown, alpha)
    return lambda word: _lattice(units(word), pieces, unknown, alpha)


def _cutter(model, pieces):
    """Returns the function from a word to its characters; a symbol is one of them."""
    ids = set(read_vocabulary(model).symbol_ids)
    symbols = [piece for piece, (index, _) in pieces.items() if index in ids]
    if not symbols:
        return list
    # The longest first, as SentencePiece finds them.
    symbols.sort(key=len, reverse=True)
    unit = re.compile("|".join([*map(re.escape, symbols), "."]), re.DOTALL)
    return unit.findall


def _read_pieces(model):
    """The ids and scores of the pieces that text can become, and the unknown id."""
    import sentencepiece

    processor: Any = sentencepiece.SentencePieceProcessor(model_proto=model)
    pieces = {}
    for index in range(processor.get_piece_size()):
        special = processor.is_control(index) or processor.is_unknown(index)
        if special or processor.is_unused(index):
            continue
        piece = processor.id_to_piece(index)
        if _WORD_BEGINS in piece[1:]:
            raise ValueError(
                "Subwords are sampled word by word, so that no piece may go over "
                f"several words. Received: a model with the piece {piece!r}. Train it "
                "with split_by_whitespace=True."
            )
        pieces[piece] = index, processor.get_score(index)
    return pieces, processor.unk_id()


def _lattice(word, pieces, unknown, alpha):
    """Sums forwards over the lattice, so that it can be sampled backwards."""
    longest = max(map(len, pieces), default=1)
    arriving: list[list[tuple[int, int, float]]] = [[] for _ in range(len(word) + 1)]
    for begin in range(len(word)):
        for end in range(begin + 1, min(begin + longest, len(word)) + 1):
            found = pieces.get("".join(word[begin:end]))
            if found is not None:
                arriving[end].append((begin, found[0], alpha * found[1]))
    for begin, end in _unknown_runs(word, pieces):
        # The only way over these characters, so that its score does not matter.
        arriving[end].append((begin, unknown, 0.0))
    total = [0.0]  # log of the sum over all ways to a position
    states = {0: 0}  # positions that a way leads to
    edges = []
    for end in range(1, len(word) + 1):
        ways = [
            (total[begin] + score, piece, states[begin])
            for begin, piece, score in arriving[end]
            if begin in states
        ]
        total.append(_log_sum(score for score, _, _ in ways))
        if ways:
            states[end] = len(states)
            edges.append(
                tuple((math.exp(s - total[end]), p, before) for s, p, before in ways)
            )
    return WordSegmentations(tuple(edges))


def _unknown_runs(word, pieces):
    begin = 0
    while begin < len(word):
        end = begin
        while end < len(word) and word[end] not in pieces:
            end += 1
        if end > begin:
            yield begin, end
        begin = end + 1


def _log_sum(logs):
    logs = list(logs)
    if not logs:
        return -math.inf
    most = max(logs)
    return most + math.log(sum(math.exp(log - most) for log in logs))


def _bpe_dropout(word, pieces, unknown, alpha):
    """Follows the merges of a word; a merge makes one symbol less of two."""
    following = {tuple(word): 1.0}
    ended: dict[tuple[str, ...], float] = {}
    while following:
        shorter: dict[tuple[str, ...], float] = {}
        likely = sorted(following.items(), key=lambda item: -item[1])
        for symbols, chance in likely[:_MOST_FOLLOWED]:
            left_out = 1.0
            for place in _merges(symbols, pieces):
                merged = symbols[place] + symbols[place + 1]
                result = (*symbols[:place], merged, *symbols[place + 2 :])
                done = chance * left_out * (1.0 - alpha)
                if done:
                    shorter[result] = shorter.get(result, 0.0) + done
                left_out *= alpha
            if left_out:
                whole = _unknowns_joined(symbols, pieces)
                ended[whole] = ended.get(whole, 0.0) + chance * left_out
        following = shorter
    return _as_graph(ended, pieces, unknown)


def _merges(symbols, pieces):
    """Where two neighbours make a piece, the model's best first, then from the left."""
    ranked = []
    for place in range(len(symbols) - 1):
        found = pieces.get(symbols[place] + symbols[place + 1])
        if found is not None:
            ranked.append((-found[1], place))
    return [place for _, place in sorted(ranked)]


def _unknowns_joined(symbols, pieces):
    joined: list[str] = []
    for symbol in symbols:
        if joined and symbol not in pieces and joined[-1] not in pieces:
            joined[-1] += symbol
        else:
            joined.append(symbol)
    return tuple(joined)


def _as_graph(segmentations, pieces, unknown):
    """Turns a list into a tree: a state is what follows, its root the word's end."""
    total = sum(segmentations.values())
    mass: dict[tuple[str, ...], float] = {}
    for symbols, chance in segmentations.items():
        for place in range(len(symbols) + 1):
            suffix = symbols[place:]
            mass[suffix] = mass.get(suffix, 0.0) + chance / total
    # A whole segmentation spells the word, so it is never the end of another one.
    states = dict.fromkeys(segmentations, 0)
    inner = sorted(mass.keys() - states.keys(), key=lambda each: (-len(each), each))
    states |= {suffix: state for state, suffix in enumerate(inner, 1)}
    edges: dict[int, list[tuple[float, int, int]]] = {}
    for suffix, chance in mass.items():
        if suffix:
            piece = pieces[suffix[0]][0] if suffix[0] in pieces else unknown
            way = (chance / mass[suffix[1:]], piece, states[suffix])
            edges.setdefault(states[suffix[1:]], []).append(way)
    return WordSegmentations(tuple(tuple(edges[each]) for each in sorted(edges)))
