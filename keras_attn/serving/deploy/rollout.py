"""The steps by which a running server takes a new `models.config`.

A server rereads the file, and applies it as a whole or not at all. It refuses to move a
label to a version that it has not loaded, and loads no version of a file that it
refuses: a file that lists a version and moves a label to it is never applied. So the
version is listed first, and the label moves when the version is available. A label that
is new may come with its version (`--allow_version_labels_for_unavailable_models`).
"""

import dataclasses
from collections.abc import Collection
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from keras_attn.serving.deploy.options import DeployOptions
from keras_attn.serving.wire.messages import message_class

__all__ = ["next_step"]


def next_step(
    options: DeployOptions,
    served: Path,
    *,
    drop_labels: Collection[str] = (),
    available: Collection[int] | None = None,
) -> DeployOptions:
    """Returns what a running server can take on its way to a new configuration.

    Args:
        options: The new configuration.
        served: The `models.config` that the server has, perhaps missing.
        drop_labels: Labels that requests no longer use.
        available: Versions that the server has loaded; `None`: those that `served`
            lists.

    Returns:
        `options`, or, if a label moves to a version that is not available, the same
        with this label where it was, and the old version listed as well.

    Raises:
        ValueError: If `served` cannot be read or serves another model, or a label of it
            is neither in `options` nor in `drop_labels`.
        FileNotFoundError: If the old version of a label was deleted.
        OSError: If `served` cannot be read.
    """
    repeated = sorted(options.labels.keys() & set(drop_labels))
    if repeated:
        raise ValueError(
            "A label is either given to a version or dropped. Received: "
            f"labels={dict(options.labels)!r}, drop_labels={repeated!r}."
        )
    if not served.exists():
        return options
    model = _read_model(served, options.name)
    labels = dict(model.version_labels)
    dropped = sorted(labels.keys() - options.labels.keys() - set(drop_labels))
    if dropped:
        raise ValueError(
            "A label that clients may use must be given again or dropped by name: "
            "without it their requests fail. Received: "
            f"labels={dict(options.labels)!r}, while {served} has "
            f"{', '.join(f'{label}={labels[label]}' for label in dropped)}. Give "
            f"--label {dropped[0]}=VERSION or --drop-label {dropped[0]}."
        )
    if available is None:
        available = model.model_version_policy.specific.versions
    waiting = {
        label: labels[label]
        for label, number in options.labels.items()
        if labels.get(label, number) != number and number not in available
    }
    if not waiting:
        return options
    return dataclasses.replace(
        options,
        versions=tuple(sorted({*options.versions, *waiting.values()})),
        labels={**options.labels, **waiting},
    )


def _read_model(path: Path, name: str) -> Any:
    """Returns the `ModelConfig` of the only model in a file."""
    config: Any = message_class("ModelServerConfig")()
    try:
        text_format.Parse(path.read_text("utf-8"), config, allow_unknown_field=True)
    # The parser calls itself for each level of what it does not know.
    except (text_format.ParseError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(
            "The file that is replaced must be a ModelServerConfig in protobuf's text "
            f"format, since its labels matter. Received: {path}: {error}. Correct it, "
            "or delete it if no server reads it."
        ) from error
    models = config.model_config_list.config
    if [model.name for model in models] != [name]:
        raise ValueError(
            f"The file that is replaced must serve {name!r} alone, since a server "
            f"unloads the models that a new file leaves out. Received: {path} with "
            f"{[model.name for model in models]!r}. Choose another folder, or delete "
            "the file if no server reads it."
        )
    return models[0]
