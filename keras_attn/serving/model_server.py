"""TensorFlow Serving's own binary, run with the options of our server."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from keras_attn.serving.listening import listening_line

__all__ = ["choose_engine", "model_server_arguments", "run_model_server"]

_BINARY = "tensorflow_model_server"
_EVERY_ADDRESS = "0.0.0.0"  # the binary listens there and nowhere else
_LOOK_SECONDS = 0.2


def choose_engine(engine: str, host: str) -> str | None:
    """Returns the path of TensorFlow Serving's binary; `None`: our own server it is.

    Args:
        engine: `"local"`, `"tf-serving"`, or `"auto"`: the binary where it is on the
            PATH and may listen where it does.
        host: Address to listen on.

    Raises:
        ValueError: If the binary is asked for and is not there, or would listen on
            other addresses than `host`.

    Example:

    >>> choose_engine("local", "127.0.0.1")
    """
    if engine not in ("auto", "local", "tf-serving"):
        raise ValueError(
            f"`engine` must be auto, local or tf-serving. Received: engine={engine!r}."
        )
    binary = shutil.which(_BINARY)
    if engine == "local" or (engine == "auto" and host != _EVERY_ADDRESS):
        return None
    if engine == "auto":
        return binary
    if binary is None:
        raise ValueError(
            f"--engine tf-serving needs {_BINARY} on the PATH. Received: no such "
            "program. Install it, or use --engine local."
        )
    if host != _EVERY_ADDRESS:
        raise ValueError(
            f"{_BINARY} listens on every address of the machine, and on no single one. "
            f"Received: host={host!r}. Add --host {_EVERY_ADDRESS}, or use --engine "
            "local."
        )
    return binary


def model_server_arguments(
    models_dir: Path,
    *,
    name: str,
    port: int,
    rest_port: int,
    poll_seconds: float,
    threads: int | None,
    load_retries: int,
    batching_parameters_file: Path | None = None,
    ssl_config_file: Path | None = None,
) -> list[str]:
    """Returns the binary's flags for the options of our server.

    Example:

    >>> options = dict(name="m", port=1, rest_port=2, poll_seconds=0.5, threads=None)
    >>> model_server_arguments(Path("/models"), load_retries=5, **options)[-2:]
    ['--file_system_poll_wait_seconds=1', '--max_num_load_retries=5']
    """
    flags: dict[str, object] = {
        "port": port,
        "rest_api_port": rest_port,
        "model_name": name,
        "model_base_path": models_dir.absolute(),
        "enable_grpc_healthcheck_service": "true",
        "file_system_poll_wait_seconds": max(1, round(poll_seconds)),
        "max_num_load_retries": load_retries,
    }
    if threads is not None:
        flags["tensorflow_intra_op_parallelism"] = threads
        flags["tensorflow_inter_op_parallelism"] = threads
    if batching_parameters_file is not None:
        flags["enable_batching"] = "true"
        flags["batching_parameters_file"] = batching_parameters_file.absolute()
    if ssl_config_file is not None:
        flags["ssl_config_file"] = ssl_config_file.absolute()
    return [f"--{flag}={value}" for flag, value in flags.items()]


def run_model_server(
    binary: str,
    models_dir: Path,
    *,
    name: str,
    port: int,
    rest_port: int,
    as_json: bool = False,
    **options,
) -> int:
    """Runs TensorFlow Serving until SIGTERM or SIGINT (Ctrl+C).

    It prints the same line as our own server when requests are answered.

    Args:
        binary: Path of the program.
        models_dir: The model's base path.
        name: The model's name in requests.
        port: gRPC port; 0: any free one.
        rest_port: REST port; 0: any free one.
        as_json: Whether that line is to be JSON.
        **options: The others of `model_server_arguments`.

    Returns:
        The exit code: 0 after a signal, 1 if the program ended by itself.
    """
    port, rest_port = port or _free_port(), rest_port or _free_port()
    arguments = model_server_arguments(
        models_dir, name=name, port=port, rest_port=rest_port, **options
    )
    stopped = False
    process = subprocess.Popen([binary, *arguments], stdout=sys.stderr)

    def stop(*_):
        nonlocal stopped
        stopped = True
        process.terminate()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    told = False
    while process.poll() is None:
        version = None if told else _served_version(rest_port, name)
        if version is not None:
            address, rest = (f"{_EVERY_ADDRESS}:{n}" for n in (port, rest_port))
            print(listening_line(address, name, version, rest, as_json), flush=True)
            told = True
        time.sleep(_LOOK_SECONDS)
    if not stopped:
        print(f"{_BINARY} ended with {process.returncode}", file=sys.stderr)
    return 0 if stopped else 1


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def _served_version(rest_port, name):
    url = f"http://127.0.0.1:{rest_port}/v1/models/{name}"
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            listed = json.load(response)["model_version_status"]
    except OSError:
        return None
    served = [int(one["version"]) for one in listed if one["state"] == "AVAILABLE"]
    return max(served, default=None)
