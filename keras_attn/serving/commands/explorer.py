"""`keras-attn explorer`: serves the explorer's page for any model server."""

import signal
import threading
from typing import Annotated

import typer

from keras_attn.command_line import AsJson, log, print_result

__all__ = ["explorer"]


def explorer(
    rest_url: Annotated[
        str,
        typer.Option(help="REST API of TensorFlow Serving or `keras-attn serve`."),
    ] = "http://localhost:8501",
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="Name of a model on the server; may be repeated.",
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
        typer.Option(min=0, max=65535, help="Port to listen on; 0: any free port."),
    ] = 8600,
    timeout: Annotated[
        float,
        typer.Option(min=0.001, help="Maximum seconds for a response of the server."),
    ] = 60.0,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(
            help="Name by which browsers call the page, besides --host and localhost, "
            "as behind a proxy; may be repeated; * allows any."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Serve the attention explorer, a web page, for any model server.

    The page's requests are forwarded to --rest-url: that server needs no option and may
    be on a host that browsers cannot reach. Prints `explorer on URL` when it is ready;
    Ctrl+C ends it. Needs the extra `serve`, not TensorFlow.

    Example: keras-attn explorer --rest-url http://localhost:8501
    """
    try:
        from starlette.applications import Starlette

        from keras_attn.serving.explorer import (
            explorer_routes,
            model_server_url,
            proxy_routes,
        )
        from keras_attn.serving.local_server.rest.http_server import HttpServer
    except ImportError as error:
        raise ImportError(
            f"{error}. The explorer needs Starlette and uvicorn: "
            "pip install 'keras-attn[serve]'."
        ) from error
    names = list(dict.fromkeys(model or ["translator"]))
    routes = [
        *explorer_routes(lambda: names),
        *proxy_routes(model_server_url(rest_url), names, timeout),
    ]
    server = HttpServer(host, port, allowed_host or ())
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    server.start(Starlette(routes=routes))
    try:
        url_host = f"[{host}]" if ":" in host else host
        url = f"http://{url_host}:{server.port}/"
        print_result({"explorer": url}, f"explorer on {url}", as_json)
        log(f"Requests go to {rest_url}. Stop with Ctrl+C.")
        stop.wait()
    finally:
        server.stop(1.0)
