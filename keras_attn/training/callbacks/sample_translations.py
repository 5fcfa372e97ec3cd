"""Sample translations and validation BLEU after each epoch."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_attn import Translator
from keras_attn.metrics import score_corpus
from keras_attn.training.corpora import SentencePair
from keras_attn.training.runs.run_folder import RunFolder
from keras_attn.translation import Translation

__all__ = ["SampleTranslations"]


class SampleTranslations(keras.callbacks.Callback):
    """Translates validation sentences by greedy search at the end of epochs.

    It adds `val_bleu` to the logs, so it comes before the callbacks that read it.

    Args:
        translator: Translator of the model in training, whose weights it shares.
        pairs: The validation split.
        bleu_every: Number of epochs from one BLEU to the next, beginning with the
            first; the last epoch has a BLEU, too, and the start of a fine-tuning.
            `None`: no BLEU.
        samples: Number of pairs to log and store after every epoch; they are spread
            evenly over the split and stay the same.
        run: The run folder, whose `samples.jsonl` gets the samples.
        log: Called with lines for people.

    Attributes:
        latest: The last epoch's samples, each with its reference.
    """

    def __init__(
        self,
        translator: Translator,
        pairs: Sequence[SentencePair],
        *,
        bleu_every: int | None,
        samples: int,
        run: RunFolder,
        log: Callable[[str], None],
    ):
        super().__init__()
        self.translator = translator
        self.pairs = list(pairs)
        self.bleu_every = bleu_every
        count = min(samples, len(self.pairs))
        self.rows = [row * len(self.pairs) // count for row in range(count)]
        self.run = run
        self.log = log
        self.latest: list[tuple[str, Translation]] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        is_first_or_last = epoch < 0 or epoch + 1 == self.params["epochs"]
        every = self.bleu_every
        if every is not None and (epoch % every == 0 or is_first_or_last):
            translations = self._translate(self.pairs)
            texts = [translation.text for translation in translations]
            references = [pair.target for pair in self.pairs]
            logs["val_bleu"] = score_corpus(texts, references).bleu
            samples = [translations[row] for row in self.rows]
        else:
            samples = self._translate([self.pairs[row] for row in self.rows])
        references = [self.pairs[row].target for row in self.rows]
        self.latest = list(zip(references, samples, strict=True))
        if self.latest:
            self.log(f"after epoch {epoch + 1}:")
        for reference, translation in self.latest:
            # Four digits are all that anyone sees, in half of the space.
            attention = translation.attention.astype(float).round(4).tolist()
            values = {"epoch": epoch + 1, "reference": reference}
            values |= {**translation.to_dict(), "attention": attention}
            self.run.append_sample(values)
            self.log(
                f"  {translation.source}\n    -> {translation.text}\n    =  {reference}"
            )

    def _translate(self, pairs):
        texts = [pair.source for pair in pairs]
        return self.translator.translate(texts, beam_size=1) if texts else []
