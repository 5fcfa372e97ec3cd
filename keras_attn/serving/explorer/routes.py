"""The attention explorer's page and its files as routes of a Starlette app."""

import dataclasses
from collections.abc import Callable, Sequence
from importlib import resources
from urllib.parse import urlsplit

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from keras_attn.plotting import attention_html
from keras_attn.translation import Token, Translation

__all__ = ["explorer_routes"]

_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",  # an upgraded package shows its own page at once
}


def explorer_routes(
    names: Callable[[], Sequence[str]], api: str = "/v1/models"
) -> list[BaseRoute]:
    """Returns the page at `/` and its files under `/explorer/`.

    The page loads nothing from other hosts: its content security policy allows its own
    style sheets and scripts, no inline ones, and requests to `api` only.

    Args:
        names: Returns the names of the models on the page, the default first; called
            for each visitor, since a server may change its models.
        api: TensorFlow Serving's REST API: a path on the page's own host, or the URL of
            another host, which must then allow requests from the page's origin
            (TensorFlow Serving's `--rest_api_enable_cors_support`).

    Raises:
        ValueError: If `api` is neither a path nor an `http` or `https` URL.

    Example:

    >>> [route.path for route in explorer_routes(lambda: ["translator"])]
    ['/', '/explorer/config.json', '/explorer/standalone.html',
     '/explorer/standalone-aligned.html', '/explorer/{name}']
    """
    headers = {**_HEADERS, "Content-Security-Policy": _security_policy(api)}
    standalone, standalone_aligned = map(attention_html, _placeholder_translations())
    files = {
        path.name: path.read_bytes()
        for path in resources.files(__package__).joinpath("static").iterdir()
    }

    def page(request: Request) -> Response:
        return _file(files, "index.html", headers)

    def file(request: Request) -> Response:
        return _file(files, request.path_params["name"], headers)

    def config_json(request: Request) -> Response:
        return JSONResponse(
            {"models": list(names()), "api": api.rstrip("/")}, headers=headers
        )

    def standalone_html(request: Request) -> Response:
        return Response(standalone, headers=headers, media_type="text/html")

    def standalone_aligned_html(request: Request) -> Response:
        return Response(standalone_aligned, headers=headers, media_type="text/html")

    return [
        Route("/", page),
        Route("/explorer/config.json", config_json),
        Route("/explorer/standalone.html", standalone_html),
        Route("/explorer/standalone-aligned.html", standalone_aligned_html),
        Route("/explorer/{name}", file),
    ]


def _security_policy(api):
    url = urlsplit(api)
    if not (
        (url.scheme in ("http", "https") and url.netloc)
        or (not url.scheme and not url.netloc and api.startswith("/"))
    ) or set(api) & set(" ;,'\"\r\n"):
        raise ValueError(
            "`api` must be a path or an http or https URL. "
            f"Received: api={api!r}. As in '/v1/models' or "
            "'http://localhost:8501/v1/models'."
        )
    api_host = f" {url.scheme}://{url.netloc}" if url.netloc else ""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; "
        # The page converts its own SVG pictures to PNG through blobs.
        f"img-src 'self' blob:; connect-src 'self'{api_host}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _file(files, name, headers):
    suffix = name[name.rfind(".") :]
    if name not in files or suffix not in _TYPES:
        return Response(status_code=404, headers=headers)
    return Response(files[name], headers=headers, media_type=_TYPES[suffix])


def _placeholder_translations():
    """Returns translations whose pages have one element of each kind to copy.

    The first one has attention alone, the second one an alignment besides.
    """
    # One linked word per side and nonzero weights, so that everything is drawn.
    translation = Translation(
        source="a",
        text="a",
        score=0.0,
        source_tokens=(Token("a", 0, 1), Token("</s>", 1, 1)),
        target_tokens=(Token("a", 0, 1), Token("</s>", 1, 1)),
        token_scores=np.zeros(2, np.float32),
        attention=np.eye(2, dtype=np.float32),
    )
    aligned = dataclasses.replace(translation, alignment=translation.attention)
    return translation, aligned
