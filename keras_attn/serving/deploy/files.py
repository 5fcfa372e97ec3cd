"""All files of a deployment, written whole or not at all."""

import json
import os
from pathlib import Path

from keras_attn.serving.deploy.compose import compose
from keras_attn.serving.deploy.kubernetes import kubernetes
from keras_attn.serving.deploy.monitoring import dashboard, scraping
from keras_attn.serving.deploy.options import DeployOptions
from keras_attn.serving.deploy.server_files import server_files
from keras_attn.serving.deploy.yaml_text import to_yaml

__all__ = ["deployment_files", "write_deployment"]

_SECRETS = ("tls/",)  # folders of files that hold a private key


def deployment_files(options: DeployOptions) -> dict[str, str]:
    """Returns the text of every file, by its path below the deployment's folder.

    Raises:
        ValueError: If a certificate or key is no PEM text.
        OSError: If one cannot be read.
    """
    return {
        **server_files(options),
        "compose.yaml": to_yaml(compose(options)),
        **{
            f"kubernetes/{name}": to_yaml(manifest)
            for name, manifest in kubernetes(options).items()
        },
        "prometheus/prometheus.yml": to_yaml(scraping(options)),
        "grafana/dashboard.json": json.dumps(dashboard(options), indent=2) + "\n",
    }


def write_deployment(
    options: DeployOptions, out: Path, *, force: bool = False
) -> list[Path]:
    """Writes the configuration of TensorFlow Serving into a folder.

    Args:
        options: What is served, and how.
        out: The folder; made where it is missing.
        force: Replaces files that are there already. Others in the folder stay.

    Returns:
        The files, in the order of their names.

    Raises:
        FileExistsError: If a file is there already, and `force` is not given.
        ValueError: If a certificate or key is no PEM text.
        OSError: If a file cannot be read or written.
    """
    files = deployment_files(options)
    paths = {name: out / name for name in sorted(files)}
    there = [name for name, path in paths.items() if path.exists()]
    if there and not force:
        raise FileExistsError(
            "OUT must not hold the files that are to be written. Received: "
            f"OUT={out}, which has {', '.join(there)}. Give --force to replace them."
        )
    for name, path in paths.items():
        _write(path, files[name], secret=name.startswith(_SECRETS))
    return list(paths.values())


def _write(path, text, secret):
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.tmp")
    aside.unlink(missing_ok=True)
    mode = 0o600 if secret else 0o666  # the system takes away what its umask says
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
