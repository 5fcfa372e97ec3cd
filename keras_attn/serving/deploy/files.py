"""Fills in the template files of a deployment and writes them.

The templates are the files themselves with `string.Template` placeholders. A
placeholder alone on its line stands for a block of lines, each indented as the
placeholder is; for an empty block the line is left out.
"""

import json
import os
import re
from collections.abc import Collection
from importlib import resources
from pathlib import Path
from string import Template

from keras_attn.serving.deploy.options import DeployOptions, TlsFiles
from keras_attn.serving.deploy.rollout import next_step

__all__ = ["deployment_files", "write_deployment"]

_TEMPLATES = resources.files(__package__) / "templates"
_BLOCK = re.compile(r"( *)\$(\w+)")

# TensorFlow Serving's own files; the ConfigMap holds their text under these keys.
_SERVER_FILES = {
    "models_config": "models.config",
    "batching_parameters": "batching_parameters.txt",
    "monitoring_config": "monitoring.config",
}
_OTHER_FILES = (
    "compose.yaml",
    "grafana/dashboard.json",
    "kubernetes/autoscaler.yaml",
    "kubernetes/configmap.yaml",
    "kubernetes/deployment.yaml",
    "kubernetes/disruption-budget.yaml",
    "kubernetes/service.yaml",
    "prometheus/prometheus.yml",
)
_SSL_CONFIG = "tls/ssl.config"  # holds a private key
_GRAFANA_UID_LENGTH = 40  # the longest that Grafana takes
_PEM = "-----BEGIN "

# Blocks that only an encrypted gRPC port needs.
_TLS_FLAG = "- --ssl_config_file=/tls/ssl.config"
_TLS_MOUNT = """\
- type: bind
  source: ./tls
  target: /tls
  read_only: true
"""
_TLS_VOLUME_MOUNT = """\
- name: tls
  mountPath: /tls
  readOnly: true
"""
_TLS_VOLUME = """\
- name: tls
  secret:
    secretName: "{name}-tls"
"""


def deployment_files(options: DeployOptions, out: Path) -> dict[str, str]:
    """Returns the text of every file, by its path below the deployment's folder.

    Args:
        options: What is served, and how.
        out: The deployment's folder, from which `compose.yaml` reaches a relative
            `options.models_dir`.

    Raises:
        ValueError: If a certificate or key is not PEM text.
        OSError: If one cannot be read.
    """
    values = _placeholder_values(options, out)
    files = {name: _fill(name, values) for name in _SERVER_FILES.values()}
    values |= {key: files[name] for key, name in _SERVER_FILES.items()}
    files |= {name: _fill(name, values) for name in _OTHER_FILES}
    if options.tls is not None:
        files[_SSL_CONFIG] = _fill(_SSL_CONFIG, _ssl_values(options.tls))
    return files


def write_deployment(
    options: DeployOptions,
    out: Path,
    *,
    force: bool = False,
    drop_labels: Collection[str] = (),
    available: Collection[int] | None = None,
) -> tuple[list[Path], DeployOptions]:
    """Writes the configuration of TensorFlow Serving into a folder.

    Where a server that runs with the folder's `models.config` could not take the new
    one, the step before it is written: see `next_step`.

    Args:
        options: What is served, and how.
        out: The folder; created where it is missing.
        force: Replaces existing files. Other files in the folder stay.
        drop_labels: Labels of the existing `models.config` to leave out.
        available: Versions that the server has loaded; `None`: those that the existing
            `models.config` lists.

    Returns:
        The files, sorted by name, and what they serve: `options`, or the step before.

    Raises:
        FileExistsError: If a file exists, and `force` is not given.
        ValueError: If a certificate or key is not PEM text, or the existing
            `models.config` serves other models or has a label that would be dropped.
        OSError: If a file cannot be read or written.
    """
    paths = {name: out / name for name in sorted(deployment_files(options, out))}
    existing = [name for name, path in paths.items() if path.exists()]
    if existing and not force:
        raise FileExistsError(
            "OUT must not hold the files that are to be written. Received: "
            f"OUT={out}, which has {', '.join(existing)}. Give --force to replace them."
        )
    step = next_step(
        options,
        out / _SERVER_FILES["models_config"],
        drop_labels=drop_labels,
        available=available,
    )
    files = deployment_files(step, out)
    for name, path in paths.items():
        _write(path, files[name], secret=name == _SSL_CONFIG)
    return list(paths.values()), step


def _placeholder_values(options, out):
    tls = options.tls is not None
    policy = "latest { num_versions: 1 }"
    if options.versions:
        numbers = " ".join(f"versions: {number}" for number in options.versions)
        policy = f"specific {{ {numbers} }}"
    return {
        **vars(options),
        "image": _yaml_string(options.image),
        "min_replicas": options.replicas[0],
        "max_replicas": options.replicas[1],
        "models_source": _yaml_string(_compose_path(options.models_dir, out)),
        "dashboard_uid": f"keras-attn-{options.name}"[:_GRAFANA_UID_LENGTH],
        "version_policy": policy,
        "version_labels": "\n".join(
            f"version_labels {{ key: {json.dumps(label)} value: {number} }}"
            for label, number in sorted(options.labels.items())
        ),
        "tls_flag": _TLS_FLAG if tls else "",
        "tls_mount": _TLS_MOUNT if tls else "",
        "tls_volume_mount": _TLS_VOLUME_MOUNT if tls else "",
        "tls_volume": _TLS_VOLUME.format(name=options.name) if tls else "",
    }


def _compose_path(models_dir, out):
    """Returns the path of the model as Docker Compose reads it, from `out`."""
    path = models_dir.resolve()
    if not models_dir.is_absolute():
        path = os.path.relpath(path, out.resolve())
        path = path if path.startswith("..") else f"./{path}"
    return str(path).replace("$", "$$")  # else Compose puts a variable there


def _ssl_values(tls: TlsFiles):
    """Returns the PEM files as text, since TensorFlow Serving takes no file names."""
    ca = ""
    if tls.client_ca is not None:
        ca = f"custom_ca: {json.dumps(_read_pem('client_ca', tls.client_ca))}"
    return {
        "server_key": json.dumps(_read_pem("key", tls.key)),
        "server_certificate": json.dumps(_read_pem("certificate", tls.certificate)),
        "custom_ca": ca,
        "client_verify": "true" if ca else "false",
    }


def _read_pem(name, path: Path):
    text = path.read_text("ascii", "replace")
    if _PEM not in text:
        raise ValueError(
            f"`{name}` must be a file of PEM text, with a line that begins with "
            f"{_PEM!r}. Received: {name}={str(path)!r}."
        )
    return text


def _fill(name, values):
    lines = []
    for line in (_TEMPLATES / name).read_text("utf-8").splitlines():
        if block := _BLOCK.fullmatch(line):
            indent, placeholder = block.groups()
            lines += [indent + row for row in values[placeholder].splitlines()]
        else:
            lines.append(Template(line).substitute(values))
    return "\n".join(lines) + "\n"


def _yaml_string(text):
    """Quotes any text for YAML, whose double-quoted strings extend those of JSON."""
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(c if " " <= c <= "~" else f"\\U{ord(c):08x}" for c in quoted)


def _write(path, text, secret):
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)
    mode = 0o600 if secret else 0o666  # 0o666 is narrowed by the umask
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
