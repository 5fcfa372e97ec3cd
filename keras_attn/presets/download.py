"""Downloads a translator by Keras's own `get_file`, with its checksum."""

import os
import re
from pathlib import Path

from keras_attn.presets.packaged import cache_folder

__all__ = ["download_translator", "is_url"]

_SHA256 = re.compile("[0-9a-fA-F]{64}")


def is_url(name: str | os.PathLike) -> bool:
    """Whether a name has the scheme of a URL.

    Example:

    >>> is_url("https://example.org/translator.keras"), is_url("runs/demo")
    (True, False)
    """
    return re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*://", os.fspath(name)) is not None


def download_translator(url: str, file_hash: str | None) -> Path:
    """Returns the translator's file of a URL, downloaded once into Keras's home.

    Args:
        url: Where the file is, of a scheme that `keras.utils.get_file` reads.
        file_hash: The SHA-256 checksum of the file, in hexadecimal digits.

    Raises:
        ValueError: If there is no such checksum, or the file has another one; then it
            is removed.
        OSError: If the file cannot be downloaded.
    """
    if file_hash is None or not _SHA256.fullmatch(file_hash):
        raise ValueError(
            "A translator is downloaded with its SHA-256 checksum, 64 hexadecimal "
            f"digits. Received: file_hash={file_hash!r} for {url}. `sha256sum FILE` "
            "prints that of a file."
        )
    import keras

    # An absolute folder, so that it is known where Keras leaves a file that it refuses.
    # The checksum names the file: two URLs may end alike.
    folder = (cache_folder() / "downloads").absolute()
    file = folder / f"{file_hash[:16].lower()}.keras"
    try:
        keras.utils.get_file(
            file.name,
            url,
            file_hash=file_hash.lower(),
            hash_algorithm="sha256",
            cache_subdir=str(folder),
        )
    except ValueError as error:
        file.unlink(missing_ok=True)
        raise ValueError(
            f"The SHA-256 checksum of a download must be `file_hash`, {file_hash}. "
            f"Received: another file from {url}, which was removed. Check the URL and "
            "the checksum."
        ) from error
    except Exception as error:  # Keras raises bare ones
        raise OSError(
            f"A translator cannot be downloaded. Received: {url}; {error}. Check the "
            "URL and the connection."
        ) from error
    return file
