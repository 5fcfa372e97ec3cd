"""What the model says after each epoch: sample translations, and BLEU."""

from collections.abc import Callable, Sequence

import keras

from keras_attn import Translator
from keras_attn.metrics import score_corpus
from keras_attn.training.corpora import SentencePair
from keras_attn.training.runs.run_folder import RunFolder
from keras_attn.translation import Translation

__all__ = ["WatchTranslations"]


class WatchTranslations(keras.callbacks.Callback):
    """Translates validation sentences by greedy search at the end of epochs.

    It stands before the callbacks that read `val_bleu` from an epoch's logs, and after
    those that put averaged weights in place.

    Args:
        translator: Of the model in training, whose weights it shares.
        pairs: The validation split.
        every: Epochs from one BLEU to the next, beginning with the first; the last
            one has its BLEU, too. `None`: no BLEU.
        samples: How many of the pairs to show and keep after every epoch; they lie
            evenly in the split and stay the same.
        run: Keeps the samples in `samples.jsonl`.
        log: Gets lines for people.

    Attributes:
        latest: The last epoch's samples, each with its reference.
    """

    def __init__(
        self,
        translator: Translator,
        pairs: Sequence[SentencePair],
        *,
        every: int | None,
        samples: int,
        run: RunFolder,
        log: Callable[[str], None],
    ):
        super().__init__()
        self.translator = translator
        self.pairs = list(pairs)
        self.every = every
        count = min(samples, len(self.pairs))
        self.rows = [row * len(self.pairs) // count for row in range(count)]
        self.run = run
        self.log = log
        self.latest: list[tuple[str, Translation]] = []

    def on_epoch_end(self, epoch, logs=None):
        is_last = epoch + 1 == self.params["epochs"]
        bleu = None
        if self.every is not None and (epoch % self.every == 0 or is_last):
            found = self._translate(self.pairs)
            texts = [answer.text for answer in found]
            bleu = score_corpus(texts, [pair.target for pair in self.pairs]).bleu
            logs["val_bleu"] = bleu
            shown = [found[row] for row in self.rows]
        else:
            shown = self._translate([self.pairs[row] for row in self.rows])
        references = [self.pairs[row].target for row in self.rows]
        self.latest = list(zip(references, shown, strict=True))
        if self.latest:
            self.log(f"after epoch {epoch + 1}:")
        for reference, answer in self.latest:
            # As many digits as anyone can see; all of them would take twice the room.
            rounded = {"attention": answer.attention.astype(float).round(4).tolist()}
            values = {"epoch": epoch + 1, "reference": reference, **answer.to_dict()}
            self.run.append_sample({**values, **rounded})
            self.log(f"  {answer.source}\n    -> {answer.text}\n    =  {reference}")

    def _translate(self, pairs):
        texts = [pair.source for pair in pairs]
        return self.translator.translate(texts, beam_size=1) if texts else []
