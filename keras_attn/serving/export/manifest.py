"""What an exported version says of itself, for people and for tools."""

import dataclasses
import datetime
import importlib.metadata
import json
import platform
from pathlib import Path
from typing import Any

from keras_attn.serving.signature import (
    DEFAULT_SIGNATURE,
    SIGNATURE_VERSION,
    SIGNATURES,
)

__all__ = ["describe"]

_DISTRIBUTIONS = ("keras-attn", "tensorflow", "tensorflow-text", "keras")


def describe(
    translator: Any,
    *,
    version: int,
    search: dict[str, Any],
    serving_version: str,
    warmup_records: int,
    run: Path | None = None,
) -> dict[str, Any]:
    """Describes an export as values that `json.dumps` accepts.

    Args:
        translator: The `keras_attn.Translator` that is exported.
        version: Number of the version.
        search: What the export fixes of the search.
        serving_version: The oldest TensorFlow Serving that it is meant for.
        warmup_records: How many requests a server replays.
        run: Folder of the training run, if there is one: its recipe and its scores
            are told.

    Returns:
        The manifest.
    """
    return {
        "format": 1,
        "version": version,
        "exported": datetime.datetime.now(datetime.timezone.utc).isoformat(),
        "signature_version": SIGNATURE_VERSION,
        "default_signature": DEFAULT_SIGNATURE,
        "signatures": {
            signature.name: {
                "inputs": [dataclasses.asdict(field) for field in signature.inputs],
                "outputs": [dataclasses.asdict(field) for field in signature.outputs],
            }
            for signature in SIGNATURES.values()
        },
        "search": search,
        "limits": {
            "max_source_length": translator.max_source_length,
            "max_target_length": translator.max_target_length,
        },
        "serving_version": serving_version,
        "warmup_records": warmup_records,
        "made_with": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in _DISTRIBUTIONS},
        },
        "recipe": _read(run, "recipe.toml"),
        "report": json.loads(_read(run, "report.json") or "null"),
    }


def _read(run, name):
    path = None if run is None else run / name
    return path.read_text("utf-8") if path is not None and path.is_file() else None
