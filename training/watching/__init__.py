"""Looking on while a model trains: translations, their BLEU, TensorBoard."""

from training.watching.events import EventFile
from training.watching.tensorboard import WriteTensorBoard
from training.watching.translations import WatchTranslations

__all__ = ["EventFile", "WatchTranslations", "WriteTensorBoard"]
