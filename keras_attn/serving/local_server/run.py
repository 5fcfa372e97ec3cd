"""The server as a process: what it prints, which signals end it, how it exits."""

import signal
import sys
from pathlib import Path

from keras_attn.serving.listening import listening_line
from keras_attn.serving.local_server.batching import BatchingParameters
from keras_attn.serving.local_server.errors import RequestError
from keras_attn.serving.local_server.freed_memory import keep_what_is_there
from keras_attn.serving.local_server.server import LocalServer
from keras_attn.serving.local_server.tls import read_credentials

__all__ = ["run"]


def run(
    models_dir: Path,
    *,
    batching_parameters_file: Path | None = None,
    ssl_config_file: Path | None = None,
    as_json: bool = False,
    **options,
) -> int:
    """Serves until SIGTERM or SIGINT (Ctrl+C).

    When requests are answered, one line goes to standard output, so that a script that
    asked for port 0 learns the ports:
    `listening on HOST:PORT model=NAME version=NUMBER rest=HOST:PORT`. All else goes to
    standard error.

    Args:
        models_dir: The model's base path.
        batching_parameters_file: How requests are joined into batches.
        ssl_config_file: Certificates for gRPC.
        as_json: Whether that line is to be JSON.
        **options: Those of `LocalServer`.

    Returns:
        The exit code: 0 after a signal, 1 if the model cannot be loaded, 2 if the
        server cannot start as it was asked.
    """
    try:
        if batching_parameters_file is not None:
            options["batching"] = BatchingParameters.read(batching_parameters_file)
        if ssl_config_file is not None:
            options["credentials"] = read_credentials(ssl_config_file)
        server = LocalServer(models_dir, **options)
    except (ValueError, OSError) as error:
        return _refuse(error)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.request_stop())
    keep_what_is_there()
    with server:
        try:
            version = server.start()
        except OSError as error:
            return _refuse(
                f"{error}. Is another server running on {server.address}? "
                "Choose another --port or --rest-port (0: any free one)."
            )
        except RequestError as error:
            print(f"keras-attn serve: {error.message}", file=sys.stderr)
            return 1
        if version is not None:
            _announce(server, models_dir, version, as_json)
            server.wait()
        print("Stopping: open requests are answered first.", file=sys.stderr)
    return 0


def _announce(server, models_dir, version, as_json):
    rest = server.rest_address
    shown = f", REST on http://{rest}/v1/models/{server.name}" if rest else ""
    print(
        f"Serving {server.name!r} from {models_dir}: gRPC on {server.address}{shown}. "
        "Stop with Ctrl+C.",
        file=sys.stderr,
    )
    line = listening_line(server.address, server.name, version, rest, as_json)
    print(line, flush=True)


def _refuse(reason):
    print(f"keras-attn serve: {reason}", file=sys.stderr)
    return 2
