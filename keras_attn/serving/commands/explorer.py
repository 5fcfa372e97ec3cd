"""`keras-attn explorer`: the explorer's page in front of any model server."""

import signal
import threading
from typing import Annotated

import typer

from keras_attn.command_line import AsJson, log, print_result

__all__ = ["explorer"]


def explorer(
    rest_url: Annotated[
        str,
        typer.Option(
            help="The REST API to ask: TensorFlow Serving's, or that of "
            "`keras-attn serve`."
        ),
    ] = "http://localhost:8501",
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="Name of a model there; may be given again.",
            show_default="translator",
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on; 0.0.0.0 opens page and model to the network."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, help="Its port; 0 takes any free one."),
    ] = 8600,
    timeout: Annotated[
        float, typer.Option(min=0.001, help="Seconds to wait for the model server.")
    ] = 60.0,
    as_json: AsJson = False,
) -> None:
    """Show the attention explorer in front of any model server.

    The page is served here, and what it asks is passed to --rest-url: that server needs
    no option and may be on a host that browsers cannot reach. Prints `explorer on URL`
    when it answers, and ends by Ctrl+C. Needs the extra `serve`, not TensorFlow.

    Example: keras-attn explorer --rest-url http://localhost:8501
    """
    try:
        from starlette.applications import Starlette

        from keras_attn.serving.explorer import (
            explorer_routes,
            forwarding_routes,
            model_server_url,
        )
        from keras_attn.serving.local_server.rest.server import HttpServer
    except ImportError as error:
        raise ImportError(
            f"{error}. The explorer needs Starlette and uvicorn: "
            "pip install 'keras-attn[serve]'."
        ) from error
    names = list(dict.fromkeys(model or ["translator"]))
    routes = [
        *explorer_routes(lambda: names),
        *forwarding_routes(model_server_url(rest_url), names, timeout),
    ]
    server = HttpServer(host, port)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    server.start(Starlette(routes=routes))
    try:
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{server.port}/"
        print_result({"explorer": url}, f"explorer on {url}", as_json)
        log(f"It asks {rest_url}. Stop with Ctrl+C.")
        stop.wait()
    finally:
        server.stop(1.0)
