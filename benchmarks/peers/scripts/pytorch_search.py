"""Greedy and beam search over the PyTorch model, by the rules of `keras_attn`.

With the same weights they write the same translations. docs/decoding.md has the rules.
"""

import torch

_ABSENT = float("-inf")


def _log_probabilities(logits, sizes, at_limit):
    """Log p of the words, -inf for those that may not come next."""
    scores = torch.log_softmax(logits, dim=-1)
    scores[:, [sizes["pad_id"], sizes["unknown_id"], sizes["start_id"]]] = _ABSENT
    end = scores[:, sizes["end_id"]].clone()
    scores[at_limit] = _ABSENT
    scores[:, sizes["end_id"]] = end
    return scores


def greedy_search(model, source, limits, sizes):
    """Returns ids `(B, T)`; what follows a row's end token is padding.

    Args:
        model: A `Translator`.
        source: `(B, S)` ids.
        limits: `(B,)`, most tokens of each row, end token included.
        sizes: Of the task, with its special ids.
    """
    end_id, pad_id = sizes["end_id"], sizes["pad_id"]
    state, memory = model.encode(source)
    ids = torch.full_like(limits, sizes["start_id"])
    running = torch.ones_like(limits, dtype=torch.bool)
    outputs = []
    while running.any():
        logits, state = model.step(ids, state, memory)
        # The best word needs no softmax.
        logits[:, [pad_id, sizes["unknown_id"], sizes["start_id"]]] = _ABSENT
        ids = logits.argmax(dim=-1)
        ids = torch.where(len(outputs) + 1 >= limits, end_id, ids)
        outputs.append(torch.where(running, ids, pad_id))
        running = running & (ids != end_id)
    return torch.stack(outputs, dim=1)


def beam_search(model, source, limits, sizes, beam_size):
    """Returns the best hypothesis of each row as a list of ids, end token included.

    Those that ended are ranked by their mean log p a token.
    """
    batch, end_id = len(source), sizes["end_id"]
    state, memory = model.encode(source)
    rows = torch.arange(batch).repeat_interleave(beam_size)
    state, memory = state[rows], memory.select(rows)
    ids = torch.full((batch * beam_size,), sizes["start_id"])
    scores = torch.full((batch, beam_size), _ABSENT)
    scores[:, 0] = 0.0
    ranks = torch.full((batch, beam_size), _ABSENT)
    # Of the best ended hypotheses, the last step and the live slot it came from.
    ends = torch.zeros((batch, beam_size, 2), dtype=torch.long)
    history = []
    while (scores > _ABSENT).any():
        length = len(history) + 1
        logits, state = model.step(ids, state, memory)
        at_limit = (length >= limits)[rows]
        log_p = _log_probabilities(logits, sizes, at_limit).view(batch, beam_size, -1)
        words = log_p.shape[-1]
        totals = (scores[:, :, None] + log_p).view(batch, -1)
        best, positions = totals.topk(beam_size)
        parents, tokens = positions // words, positions % words
        # One less for each hypothesis that is finished already.
        wanted = (ranks == _ABSENT).sum(dim=1, keepdim=True)
        best = torch.where(torch.arange(beam_size) < wanted, best, _ABSENT)
        ended = tokens == end_id
        new = torch.where(ended, best, _ABSENT) / length
        new_ends = torch.stack([torch.full_like(parents, length), parents], dim=-1)
        ranks, best_ranks = torch.cat([ranks, new], dim=1).topk(beam_size)
        ends = torch.cat([ends, new_ends], dim=1)
        ends = ends.gather(1, best_ranks[:, :, None].expand(-1, -1, 2))
        scores, order = torch.where(ended, _ABSENT, best).topk(beam_size)
        parents, tokens = parents.gather(1, order), tokens.gather(1, order)
        history.append((parents.tolist(), tokens.tolist()))
        ids = tokens.flatten()
        state = state[(parents + torch.arange(batch)[:, None] * beam_size).flatten()]
    best_ends = ends[:, 0].tolist()
    return [_trace(history, row, *best_ends[row], end_id) for row in range(batch)]


def _trace(history, row, length, slot, end_id):
    """Follows the parents from the end of a hypothesis to its start."""
    ids = [end_id]
    for parents, tokens in reversed(history[: length - 1]):
        ids.append(tokens[row][slot])
        slot = parents[row][slot]
    return ids[::-1]
