"""From translations to numbers: BLEU by length, its spread, and what was claimed."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.long_sentences.joining import TRAINED, JoinedCorpus
from benchmarks.long_sentences.runs import Run
from keras_attn.training.corpora import SentencePair

__all__ = ["KINDS", "measure", "paired_p_value"]

KINDS = ("attention", "plain")
# Written down before the first run; published whatever comes out.
_ATTENTION_KEEPS, _PLAIN_FALLS_BELOW = 0.9, 0.6
_RESAMPLES = 1000

Translations = Mapping[int, Mapping[str, Any]]


def measure(
    corpus: JoinedCorpus, runs: Sequence[Run], translations: Mapping[str, Translations]
) -> dict[str, Any]:
    """Computes all numbers of the benchmark.

    Args:
        corpus: Its tests are the references.
        runs: All of them, finished.
        translations: By name of a run, what `translate_tests` returned.

    Returns:
        Values ready for JSON: `corpus`, `kinds` with what was trained, `lengths`
        with the scores, `stated` with what was claimed beforehand and what came of
        it, and the `bleu_signature`.
    """
    by_kind = {kind: [run for run in runs if run.kind == kind] for kind in KINDS}
    singles = corpus.tests[1]
    lengths, signature = [], ""
    for joined, pairs in corpus.tests.items():
        row: dict[str, Any] = {
            "joined": joined,
            "trained": joined in TRAINED,
            "lines": len(pairs),
            "source_words": _mean_words(pairs),
        }
        for kind, its_runs in by_kind.items():
            found = [translations[run.name] for run in its_runs]
            texts = [each[joined]["texts"] for each in found]
            scored = [_score(hypotheses, pairs) for hypotheses in texts]
            signature = scored[0].bleu_signature
            apart = [_joined_again(each[1]["texts"], joined) for each in found]
            row[kind] = {
                **_spread([score.bleu for score in scored]),
                "truncated": [each[joined]["truncated"] for each in found],
                "translated_singly": _spread(
                    [_score(hypotheses, pairs).bleu for hypotheses in apart]
                ),
            }
        row["p_values"] = [
            paired_p_value(
                translations[plain.name][joined]["texts"],
                translations[attention.name][joined]["texts"],
                [pair.target for pair in pairs],
            )
            for attention, plain in zip(*by_kind.values(), strict=True)
        ]
        lengths.append(row)
    _add_shares(lengths)
    return {
        "corpus": {
            "test": corpus.test_name,
            "train_sentences": corpus.train_sentences,
            "train_lines": len(corpus.train),
            "test_sentences": len(singles),
            "languages": " to ".join(corpus.languages),
            "digest": corpus.digest,
        },
        "kinds": {kind: _trained(its_runs) for kind, its_runs in by_kind.items()},
        "lengths": lengths,
        "stated": _stated(lengths),
        "bleu_signature": signature,
    }


def paired_p_value(
    baseline: Sequence[str], system: Sequence[str], references: Sequence[str]
) -> float:
    """Compares two systems on the same lines by paired bootstrap resampling.

    Args:
        baseline: Translations of the one.
        system: Translations of the other.
        references: The wanted translations.

    Returns:
        sacreBLEU's p-value: how probable a BLEU difference as large as this one
        would be, were there none; 1 / 1001 is the least that it can show.

    Reference: Koehn, 2004, "Statistical Significance Tests for Machine Translation
    Evaluation", EMNLP.
    """
    from sacrebleu.metrics import BLEU
    from sacrebleu.significance import PairedTest

    test = PairedTest(
        [("baseline", list(baseline)), ("system", list(system))],
        {"BLEU": BLEU()},
        [list(references)],
        test_type="bs",
        n_samples=_RESAMPLES,
    )
    scores: Any = test()[1]["BLEU"]  # of the baseline, then of the system
    one, other = scores
    # It counts resamples that differ by more, of which equal systems have none.
    return 1.0 if one.score == other.score else float(other.p_value)


def _score(hypotheses: Sequence[str], pairs: Sequence[SentencePair]) -> Any:
    from keras_attn.metrics import score_corpus

    return score_corpus(hypotheses, [pair.target for pair in pairs])


def _joined_again(singles: Sequence[str], joined: int) -> list[str]:
    """The translations of single sentences, in lines like those of a longer test."""
    return [
        " ".join(singles[begin : begin + joined])
        for begin in range(0, len(singles), joined)
    ]


def _mean_words(pairs: Sequence[SentencePair]) -> float:
    return statistics.fmean(len(pair.source.split()) for pair in pairs)


def _spread(bleu: Sequence[float]) -> dict[str, Any]:
    return {
        "bleu": list(bleu),
        "mean": statistics.fmean(bleu),
        "deviation": statistics.stdev(bleu) if len(bleu) > 1 else None,
    }


def _add_shares(lengths: Sequence[dict[str, Any]]) -> None:
    """Adds to each length its share of the BLEU of single sentences."""
    for kind in KINDS:
        of_singles = lengths[0][kind]["mean"]
        for row in lengths:
            kept = row[kind]["mean"] / of_singles if of_singles else None
            row[kind]["share_of_singles"] = kept


def _trained(runs: Sequence[Run]) -> dict[str, Any]:
    reports = [run.report() for run in runs]
    training, model = runs[0].recipe.training, runs[0].recipe.model
    lines = reports[0]["train_pairs"]
    epochs = reports[0]["epochs"]
    return {
        "attention": model.attention,
        "decoder_units": model.decoder_units,
        "parameters": reports[0]["params"],
        "epochs": epochs,
        "updates": epochs * -(-lines // training.batch_size),
        "lines_too_long": reports[0]["dropped_too_long"],
        "runs": [
            {
                "seed": run.seed,
                "best_epoch": report["best_epoch"],
                "validation_loss": report["validation"]["loss"],
                "train_seconds": report["train_seconds"],
                "target_tokens_per_second": report["target_tokens_per_second"],
            }
            for run, report in zip(runs, reports, strict=True)
        ],
    }


def _stated(lengths: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    longest = next(row for row in lengths if row["joined"] == TRAINED[-1])
    kept, left = (longest[kind]["share_of_singles"] for kind in KINDS)
    return [
        {
            "claim": f"attention keeps BLEU(4) >= {_ATTENTION_KEEPS} BLEU(1)",
            "share": kept,
            "holds": None if kept is None else kept >= _ATTENTION_KEEPS,
        },
        {
            "claim": f"the plain one falls to BLEU(4) < {_PLAIN_FALLS_BELOW} BLEU(1)",
            "share": left,
            "holds": None if left is None else left < _PLAIN_FALLS_BELOW,
        },
    ]
