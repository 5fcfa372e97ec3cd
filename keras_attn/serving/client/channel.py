"""The connection to one server, or to several that serve the same model."""

import dataclasses
import ipaddress
import json
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import grpc

__all__ = ["Tls", "open_channel", "server_address"]

_COMPRESSIONS = {
    None: grpc.Compression.NoCompression,
    "deflate": grpc.Compression.Deflate,
    "gzip": grpc.Compression.Gzip,
}
_MAX_ATTEMPTS = 5  # gRPC treats a higher number as this one

# gRPC itself retries and balances: in Python, each of the two clients would need
# deadlines and budgets of its own, and nothing would prevent retries of retries.
# Retries stop while more than half of the tokens are spent. A failure costs one, a
# success returns a tenth: retries add at most a tenth to the load of a busy server.
_RETRY_BUDGET = {"maxTokens": 10, "tokenRatio": 0.1}

_PEM = b"-----BEGIN "


@dataclasses.dataclass(frozen=True, slots=True)
class Tls:
    """Certificates for an encrypted connection.

    Attributes:
        ca: PEM file of the authorities that sign the server's certificate; `None`:
            those that gRPC trusts by default.
        certificate: PEM file of the client's certificate, for a server that requires
            one (mTLS).
        key: PEM file of its private key.
        server_name: The name in the server's certificate, where it differs from the
            host in the address.

    Example:

    >>> Tls(ca="ca.pem", certificate="client.pem").credentials()
    Traceback (most recent call last):
        ...
    ValueError: A client's certificate and its key belong together. Received: \
certificate='client.pem', key=None. Give both, or neither.
    """

    ca: str | Path | None = None
    certificate: str | Path | None = None
    key: str | Path | None = None
    server_name: str | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """Reads the files into gRPC credentials.

        Raises:
            ValueError: If only one of `certificate` and `key` is given, or a file
                is not PEM text.
            OSError: If a file cannot be read.
        """
        if (self.certificate is None) != (self.key is None):
            raise ValueError(
                "A client's certificate and its key belong together. Received: "
                f"certificate={self.certificate!r}, key={self.key!r}. "
                "Give both, or neither."
            )
        return grpc.ssl_channel_credentials(
            _read_pem("ca", self.ca),
            _read_pem("key", self.key),
            _read_pem("certificate", self.certificate),
        )


def _read_pem(name, path):
    if path is None:
        return None
    text = Path(path).read_bytes()
    if _PEM not in text:
        raise ValueError(
            f"`{name}` must be a file of PEM text, with a line that begins with "
            f"{_PEM.decode()!r}. Received: {name}={str(path)!r}. Convert it with "
            "`openssl x509` or `openssl pkey`."
        )
    return text


def server_address(endpoints: str | Sequence[str]) -> str:
    """Returns the target of a gRPC channel.

    Args:
        endpoints: `"HOST:PORT"`, where each address of the host is a server; or several
            `"IP:PORT"` of one family.

    Raises:
        TypeError: If an endpoint is not text.
        ValueError: If there is none, a port is out of range, or there are several that
            are not IP addresses.

    Example:

    >>> server_address("translator.example:8500")
    'translator.example:8500'
    >>> server_address(["10.0.0.1:8500", "10.0.0.2:8500"])
    'ipv4:10.0.0.1:8500,10.0.0.2:8500'
    """
    addresses = [endpoints] if isinstance(endpoints, str) else endpoints
    if not isinstance(addresses, Sequence) or not all(
        isinstance(address, str) for address in addresses
    ):
        raise TypeError(
            f"Each of `target` must be a `str`. Received: target={endpoints!r}."
        )
    if not addresses or not all(addresses):
        raise ValueError(
            f"`target` must name a server. Received: target={endpoints!r}. "
            'Give "HOST:PORT", or several "IP:PORT".'
        )
    for address in addresses:
        port = address.rpartition(":")[2]
        if port.isdecimal() and not 1 <= int(port) <= 65535:
            raise ValueError(
                f"A port must be in 1..65535. Received: target={endpoints!r}. Give "
                "the server's gRPC port, by default 8500."
            )
    if len(addresses) == 1:
        return addresses[0]
    families = {_address_family(address) for address in addresses}
    if len(families) > 1 or None in families:
        raise ValueError(
            "Several endpoints must be IP addresses with a port, all of one "
            f"family. Received: target={addresses!r}. To use a name, give one that "
            "resolves to all the addresses (in Kubernetes, a headless Service)."
        )
    return f"{families.pop()}:{','.join(addresses)}"


def open_channel(
    module: ModuleType,
    address: str,
    *,
    tls: Tls | None,
    compression: str | None,
    attempts: int,
    max_message_bytes: int,
) -> Any:
    """Opens a channel that calls the servers in turn.

    Args:
        module: `grpc` or `grpc.aio`.
        address: The servers, from `server_address`.
        tls: Certificates; `None`: no encryption.
        compression: Compression of requests: `None`, `"gzip"` or `"deflate"`.
        attempts: Maximum number of attempts for a request that is `UNAVAILABLE`.
        max_message_bytes: Maximum size of a response.

    Returns:
        A channel of `module`; it connects at the first call.

    Raises:
        ValueError: If an argument is out of range, or a certificate is unusable.
        OSError: If a certificate cannot be read.
    """
    if compression not in _COMPRESSIONS:
        raise ValueError(
            "`compression` must be None, 'gzip' or 'deflate'. "
            f"Received: compression={compression!r}."
        )
    if not 1 <= attempts <= _MAX_ATTEMPTS:
        raise ValueError(
            f"`attempts` must be in 1..{_MAX_ATTEMPTS}. Received: "
            f"attempts={attempts!r}. With 1, nothing is retried."
        )
    if tls is not None and "," in address and not tls.server_name:
        raise ValueError(
            "With several endpoints, `tls` must say which name their certificates "
            f"hold. Received: server_name={tls.server_name!r} for {address!r}. "
            "Give `Tls(..., server_name=...)`."
        )
    options = [
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", -1),
        # Reconnects soon after a restarted server listens again.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2000),
        ("grpc.service_config", _service_config(attempts)),
        # A request longer than the buffer would not be retried.
        ("grpc.per_rpc_retry_buffer_size", max_message_bytes),
    ]
    algorithm = _COMPRESSIONS[compression]
    if tls is None:
        return module.insecure_channel(address, options, algorithm)
    if tls.server_name:
        options.append(("grpc.default_authority", tls.server_name))
    return module.secure_channel(address, tls.credentials(), options, algorithm)


def _service_config(attempts):
    config = {"loadBalancingConfig": [{"round_robin": {}}]}
    if attempts > 1:
        config["retryThrottling"] = _RETRY_BUDGET
        config["methodConfig"] = [
            {
                "name": [{"service": "tensorflow.serving.PredictionService"}],
                "retryPolicy": {
                    "maxAttempts": attempts,
                    "initialBackoff": "0.1s",
                    "maxBackoff": "2s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ]
    return json.dumps(config)


def _address_family(endpoint):
    """Returns `"ipv4"`, `"ipv6"`, or `None` without an IP address and a port."""
    host, _, port = endpoint.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        version = ipaddress.ip_address(host[1:-1] if bracketed else host).version
    except ValueError:
        return None
    return f"ipv{version}" if port.isdigit() and bracketed == (version == 6) else None
