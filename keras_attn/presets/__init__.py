"""Finished translators: those installed with the package, and downloaded ones."""

from keras_attn.presets.download import download_translator, is_url
from keras_attn.presets.packaged import (
    cache_folder,
    check_digest,
    digest,
    find_preset,
    is_packaged,
    preset_names,
)

__all__ = [
    "cache_folder",
    "check_digest",
    "digest",
    "download_translator",
    "find_preset",
    "is_packaged",
    "is_url",
    "preset_names",
]
