"""The server as a process: what it prints, which signals end it, how it exits."""

import signal
import sys
from pathlib import Path

from serving.local_server.errors import RequestError
from serving.local_server.server import LocalServer

__all__ = ["run"]


def run(models_dir: Path, **options) -> int:
    """Serves until SIGTERM or SIGINT (Ctrl+C).

    When requests are answered, one line goes to standard output, so that a script that
    asked for port 0 learns the ports:
    `listening on HOST:PORT model=NAME version=NUMBER rest=HOST:PORT`. All else goes to
    standard error.

    Args:
        models_dir: The model's base path.
        **options: Those of `LocalServer`.

    Returns:
        The exit code: 0 after a signal, 1 if the model cannot be loaded, 2 if the
        server cannot start as it was asked.
    """
    try:
        server = LocalServer(models_dir, **options)
    except (ValueError, OSError) as error:
        return _refuse(error)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.request_stop())
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
            name = server.name
            rest = server.rest_address
            print(
                f"Serving {name!r} from {models_dir}: gRPC on {server.address}"
                f"{f', REST on http://{rest}/v1/models/{name}' if rest else ''}. "
                "Stop with Ctrl+C.",
                file=sys.stderr,
            )
            print(
                f"listening on {server.address} model={name} version={version}"
                f"{f' rest={rest}' if rest else ''}",
                flush=True,
            )
            server.wait()
        print("Stopping: open requests are answered first.", file=sys.stderr)
    return 0


def _refuse(reason):
    print(f"keras-attn serve: {reason}", file=sys.stderr)
    return 2
