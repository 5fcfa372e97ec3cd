"""Looking on while a model trains: translations, their BLEU, TensorBoard."""

from keras_attn.training.callbacks.event_file import EventFile
from keras_attn.training.callbacks.sample_translations import WatchTranslations
from keras_attn.training.callbacks.tensorboard import WriteTensorBoard

__all__ = ["EventFile", "WatchTranslations", "WriteTensorBoard"]
