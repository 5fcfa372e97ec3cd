"""Keeps pages of other sites from reaching a server through a visitor's browser.

A browser lets any page send requests to the visitor's own machine. What such a page
cannot do is to lie about where it is from: the browser itself writes `Host`, `Origin`
and `Sec-Fetch-Site` (https://fetch.spec.whatwg.org/#http-origin and
https://www.w3.org/TR/fetch-metadata/). Programs that are no browsers leave out the last
two, and are not restricted by them.
"""

import ipaddress
import re
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from keras_attn.serving.local_server.rest.error_responses import error_response

__all__ = ["BrowserGuard"]

_AUTHORITY = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:/@\[\]]+)(?::\d*)?")
# A form of any page sends these; a form's third type is also curl's default.
_FORM_TYPES = ("text/plain", "multipart/form-data")


class BrowserGuard:
    """Refuses requests that a page of another site sends.

    - `Host` must be a loopback name, the address that the server listens on, or an
      allowed name. This stops pages whose own name is made to resolve to this machine
      (DNS rebinding). A server that listens on all addresses accepts every IP address.
    - A request other than GET and HEAD must not come from a page of another origin, and
      its `Content-Type` must not be one that only the form of a page sends.
    - Responses say `X-Content-Type-Options: nosniff`.

    Args:
        host: Address that the server listens on.
        allowed_hosts: Further names; pages of these hosts may also send requests. `"*"`
            allows all names and pages.

    Raises:
        ValueError: If an allowed host is not a name or address alone.
    """

    def __init__(self, host: str, allowed_hosts: Collection[str] = ()):
        for name in allowed_hosts:
            is_name = name == "*" or re.fullmatch(r"[\w.-]+", name)
            if not is_name and _ip_address(name) is None:
                raise ValueError(
                    "An allowed host must be a name or an IP address, without scheme "
                    f"and port. Received: {name!r}. As in models.example, or * for any."
                )
        self._allowed = {_normalize(name) for name in allowed_hosts}
        self._names = {"localhost", _normalize(host), *self._allowed}
        address = _ip_address(host)
        self._any_address = not host or bool(address and address.is_unspecified)

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """Returns an application that passes acceptable requests on to `app`."""

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            async def send_nosniff(message: Message) -> None:
                if message["type"] == "http.response.start":
                    headers = MutableHeaders(raw=message["headers"])
                    headers["X-Content-Type-Options"] = "nosniff"
                await send(message)

            refusal = self._refusal(scope["method"], Headers(scope=scope))
            handler = error_response(*refusal) if refusal else app
            await handler(scope, receive, send_nosniff)

        return guarded

    def _refusal(self, method, headers):
        """Returns status and message; `None`: the request is acceptable."""
        hosts = headers.getlist("host")
        if "*" not in self._allowed and not all(map(self._is_served, hosts)):
            return 403, (
                "`Host` must be this server's address or a name that it was told. "
                f"Received: Host: {hosts[0][:256]}. Start the server with "
                "--allowed-host NAME."
            )
        if method in ("GET", "HEAD"):
            return None
        origin = headers.get("origin", "")
        if not self._is_own_page(origin, headers.get("sec-fetch-site", ""), hosts):
            return 403, (
                "Requests from pages of other sites are refused. Received: Origin: "
                f"{origin[:256] or 'none'}. Start the server with --allowed-host NAME, "
                "or send the request from the page's own server."
            )
        content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type in _FORM_TYPES:
            return 415, (
                "A request must be JSON. Received: Content-Type: "
                f"{content_type}. Send Content-Type: application/json."
            )
        return None

    def _is_served(self, authority):
        name = _host_name(authority)
        if name in self._names:
            return True
        address = _ip_address(name)
        return address is not None and (address.is_loopback or self._any_address)

    def _is_own_page(self, origin, site, hosts):
        if "*" in self._allowed:
            return True
        if not origin:
            return site not in ("cross-site", "same-site")
        try:
            authority = urlsplit(origin).netloc.lower()
        except ValueError:
            return False
        own = bool(authority) and authority in [host.lower() for host in hosts]
        return own or _host_name(authority) in self._allowed


def _host_name(authority):
    """Returns the normalized name in `NAME:PORT`; empty: there is none."""
    match = _AUTHORITY.fullmatch(authority)
    return _normalize(match[1]) if match else ""


def _normalize(name):
    address = _ip_address(name)
    return name.lower().removesuffix(".") if address is None else str(address)


def _ip_address(name):
    try:
        return ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
