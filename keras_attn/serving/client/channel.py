"""The connection to one server, or to several that serve the same model."""

import ipaddress
import json
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import grpc

from keras_attn.serving.client.tls import Tls

__all__ = ["open_channel", "server_address"]

_COMPRESSIONS = {
    None: grpc.Compression.NoCompression,
    "deflate": grpc.Compression.Deflate,
    "gzip": grpc.Compression.Gzip,
}
_MOST_ATTEMPTS = 5  # gRPC takes a higher number for this one

# Retries stop while half of the tokens are gone. A failure costs one, a success gives
# a tenth back: a server that is overloaded is asked at most a tenth more often.
_RETRY_BUDGET = {"maxTokens": 10, "tokenRatio": 0.1}


def server_address(endpoints: str | Sequence[str]) -> str:
    """Returns where to connect, in gRPC's own form.

    Args:
        endpoints: `"HOST:PORT"`, where each address of the name is a server; or several
            `"IP:PORT"` of one family.

    Raises:
        TypeError: If an endpoint is no text.
        ValueError: If there is none, or several that are no IP addresses.

    Example:

    >>> server_address("translator.example:8500")
    'translator.example:8500'
    >>> server_address(["10.0.0.1:8500", "10.0.0.2:8500"])
    'ipv4:10.0.0.1:8500,10.0.0.2:8500'
    """
    listed = [endpoints] if isinstance(endpoints, str) else endpoints
    if not isinstance(listed, Sequence) or not all(
        isinstance(each, str) for each in listed
    ):
        raise TypeError(
            f"Each of `target` must be a `str`. Received: target={endpoints!r}."
        )
    if not listed or not all(listed):
        raise ValueError(
            f"`target` must name a server. Received: target={endpoints!r}. "
            'Give "HOST:PORT", or several "IP:PORT".'
        )
    if len(listed) == 1:
        return listed[0]
    families = {_family(each) for each in listed}
    if len(families) > 1 or None in families:
        raise ValueError(
            "Several endpoints must be IP addresses with a port, all of one "
            f"family. Received: target={listed!r}. To use a name, give one that "
            "stands for all the addresses (in Kubernetes, a headless Service)."
        )
    return f"{families.pop()}:{','.join(listed)}"


def open_channel(
    module: ModuleType,
    address: str,
    *,
    tls: Tls | None,
    compression: str | None,
    attempts: int,
    max_message_bytes: int,
) -> Any:
    """Opens a channel that spreads its calls over the servers in turn.

    Args:
        module: `grpc` or `grpc.aio`.
        address: The servers, from `server_address`.
        tls: Certificates; `None`: no encryption.
        compression: Of requests: `None`, `"gzip"` or `"deflate"`.
        attempts: How often a request is tried that a server says it could not take.
        max_message_bytes: Longest answer accepted.

    Returns:
        A channel of `module`; nothing is connected before the first call.

    Raises:
        ValueError: If an argument is out of range, or the certificates are of no use.
        OSError: If a certificate cannot be read.
    """
    _check(address, tls, compression, attempts)
    options = [
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", -1),
        # A server that is being started is found soon after it listens.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2000),
        ("grpc.service_config", _service_config(attempts)),
        # A request longer than the buffer would not be tried again.
        ("grpc.per_rpc_retry_buffer_size", max_message_bytes),
    ]
    chosen = _COMPRESSIONS[compression]
    if tls is None:
        return module.insecure_channel(address, options, chosen)
    if tls.server_name:
        options.append(("grpc.default_authority", tls.server_name))
    return module.secure_channel(address, tls.credentials(), options, chosen)


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


def _check(address, tls, compression, attempts):
    if compression not in _COMPRESSIONS:
        raise ValueError(
            "`compression` must be None, 'gzip' or 'deflate'. "
            f"Received: compression={compression!r}."
        )
    if not 1 <= attempts <= _MOST_ATTEMPTS:
        raise ValueError(
            f"`attempts` must be in 1..{_MOST_ATTEMPTS}. Received: "
            f"attempts={attempts!r}. With 1, nothing is tried again."
        )
    if tls is not None and "," in address and not tls.server_name:
        raise ValueError(
            "With several endpoints, `tls` must say which name their certificates "
            f"hold. Received: server_name={tls.server_name!r} for {address!r}. "
            "Give `Tls(..., server_name=...)`."
        )


def _family(endpoint):
    """`"ipv4"`, `"ipv6"`, or `None` for what is no IP address with a port."""
    host, _, port = endpoint.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        version = ipaddress.ip_address(host[1:-1] if bracketed else host).version
    except ValueError:
        return None
    return f"ipv{version}" if port.isdigit() and bracketed == (version == 6) else None
