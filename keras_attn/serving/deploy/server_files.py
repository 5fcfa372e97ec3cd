"""The files that TensorFlow Serving itself reads, and the flags that name them."""

import json
from pathlib import Path

from keras_attn.serving.deploy.options import DeployOptions, TlsFiles

__all__ = ["METRICS_PATH", "server_files", "server_flags"]

METRICS_PATH = "/monitoring/prometheus/metrics"
CONFIG_DIR = "/serving"  # where a container finds these files
TLS_DIR = "/tls"
MODELS_DIR = "/models"

_RELOAD_SECONDS = 30
_QUEUED_BATCHES = 100
_PEM = "-----BEGIN "


def server_files(options: DeployOptions) -> dict[str, str]:
    """Returns the text of each file, by its path in the deployment's folder.

    Raises:
        ValueError: If a certificate or key is no PEM text.
        OSError: If one cannot be read.
    """
    files = {
        "serving/models.config": _models_config(options),
        "serving/batching_parameters.txt": _batching_parameters(options),
        "serving/monitoring.config": _monitoring_config(),
    }
    if options.tls is not None:
        files["tls/ssl.config"] = _ssl_config(options.tls)
    return files


def server_flags(options: DeployOptions) -> list[str]:
    """Returns the arguments of `tensorflow_model_server` in a container."""
    flags = {
        "port": options.grpc_port,
        "rest_api_port": options.rest_port,
        "model_config_file": f"{CONFIG_DIR}/models.config",
        "model_config_file_poll_wait_seconds": _RELOAD_SECONDS,
        # A new label may come with its version; an old one moves when that is loaded.
        "allow_version_labels_for_unavailable_models": "true",
        "enable_batching": "true",
        "batching_parameters_file": f"{CONFIG_DIR}/batching_parameters.txt",
        "monitoring_config_file": f"{CONFIG_DIR}/monitoring.config",
    }
    if options.tls is not None:
        flags["ssl_config_file"] = f"{TLS_DIR}/ssl.config"
    return [f"--{name}={value}" for name, value in flags.items()]


def _models_config(options):
    if options.versions:
        numbers = "".join(f" versions: {number}" for number in options.versions)
        policy = f"specific {{{numbers} }}"
    else:
        policy = "latest { num_versions: 1 }"
    labels = "".join(
        f"    version_labels {{ key: {_quoted(label)} value: {number} }}\n"
        for label, number in sorted(options.labels.items())
    )
    return f"""\
model_config_list {{
  config {{
    name: {_quoted(options.name)}
    base_path: {_quoted(f"{MODELS_DIR}/{options.name}")}
    model_platform: "tensorflow"
    model_version_policy {{ {policy} }}
{labels}  }}
}}
"""


def _batching_parameters(options):
    # No allowed sizes: up to the next of them, rows would be computed for nobody.
    return f"""\
# Do not set enable_large_batch_splitting: answers differ in length, and TensorFlow
# Serving joins the pieces as if they did not.
max_batch_size {{ value: {options.max_batch_size} }}
batch_timeout_micros {{ value: {options.batch_timeout_micros} }}
max_enqueued_batches {{ value: {_QUEUED_BATCHES} }}
num_batch_threads {{ value: {options.cpus} }}
"""


def _monitoring_config():
    return f"""\
prometheus_config {{
  enable: true
  path: {_quoted(METRICS_PATH)}
}}
"""


def _ssl_config(tls: TlsFiles):
    """The text of the PEM files, since TensorFlow Serving takes no file names here."""
    fields = {
        "server_key": _pem("key", tls.key),
        "server_cert": _pem("certificate", tls.certificate),
    }
    if tls.client_ca is not None:
        fields["custom_ca"] = _pem("client_ca", tls.client_ca)
    lines = [f"{name}: {_quoted(text)}\n" for name, text in fields.items()]
    verify = "true" if tls.client_ca is not None else "false"
    return "".join(lines) + f"client_verify: {verify}\n"


def _pem(name, path: Path):
    text = path.read_text("ascii", "replace")
    if _PEM not in text:
        raise ValueError(
            f"`{name}` must be a file of PEM text, with a line that begins with "
            f"{_PEM!r}. Received: {name}={str(path)!r}."
        )
    return text


def _quoted(text):
    # A JSON string is a text proto's, too.
    return json.dumps(text)
