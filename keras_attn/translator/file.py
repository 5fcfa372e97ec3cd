"""What a translator's file holds: parts and options under their argument's names."""

from typing import Any

import keras

from keras_attn.layers.arguments import restored_parts

__all__ = ["FORMAT_VERSION", "check_format", "config_of", "restored_config"]

FORMAT_VERSION = 1

_PARTS = ("seq2seq", "source_codec", "target_codec", "shortlist")


def check_format(format_version: int) -> None:
    """Raises `ValueError` if a file was written by a newer format."""
    if format_version > FORMAT_VERSION:
        raise ValueError(
            f"This release reads translators up to format {FORMAT_VERSION}. "
            f"Received: format_version={format_version}. Install a newer one."
        )


def config_of(parts: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """Returns the config of a translator's file.

    Args:
        parts: Its model, codecs and shortlist; `None` for one that it has not.
        options: Its other arguments: values that JSON holds.
    """
    config = dict.fromkeys(_PARTS)
    for name, part in parts.items():
        if part is not None:
            config[name] = keras.saving.serialize_keras_object(part)
    config["seq2seq"] = _without_training(config["seq2seq"])
    return {**config, **options, "format_version": FORMAT_VERSION}


def restored_config(config: dict[str, Any]) -> dict[str, Any]:
    """Returns a translator's arguments, with the parts of its config made again."""
    # Registers the class of the codecs that are restored here.
    from keras_attn.text import codec  # noqa: F401

    return restored_parts(config, *_PARTS)


def _without_training(config):
    """Drops optimizer, loss and metrics: a translator only answers."""
    return {key: config[key] for key in config if key != "compile_config"}
