"""TensorFlow Serving's option files, in protobuf's text format."""

from pathlib import Path
from typing import Any

import grpc
from google.protobuf import text_format

from keras_attn.serving.wire.messages import message_class

__all__ = ["read_credentials", "read_text_proto"]


def read_text_proto(path: Path, name: str) -> Any:
    """Reads a message in protobuf's text format.

    Args:
        path: The file.
        name: Name of the message in `keras_attn.serving.wire.messages`.

    Raises:
        ValueError: If the file holds anything else.
        OSError: If it cannot be read.
    """
    message = message_class(name)()
    try:
        text_format.Parse(path.read_text("utf-8"), message)
    except (text_format.ParseError, UnicodeDecodeError) as error:
        fields = ", ".join(field.name for field in message.DESCRIPTOR.fields)
        raise ValueError(
            f"The file must be a {name} in protobuf's text format, with the fields "
            f"{fields}. Received: {path}: {error}."
        ) from error
    return message


def read_credentials(path: Path) -> grpc.ServerCredentials:
    """Reads the certificates of the gRPC port.

    Args:
        path: An `SSLConfig`, as TensorFlow Serving's `--ssl_config_file` takes it:
            `server_key`, `server_cert` and optionally `custom_ca`, which are PEM texts
            rather than file names, and `client_verify: true`.

    Raises:
        ValueError: If the file is no such config, or lacks a certificate.
        OSError: If it cannot be read.
    """
    config = read_text_proto(path, "SSLConfig")
    for name in ("server_key", "server_cert"):
        if not getattr(config, name).startswith("-----BEGIN "):
            raise ValueError(
                f"`{name}` must be a PEM text, no file name. Received: {path}, where "
                f"it begins with {getattr(config, name)[:20]!r}."
            )
    if config.client_verify and not config.custom_ca:
        raise ValueError(
            "`client_verify` needs `custom_ca`, by which clients are verified. "
            f"Received: {path} without it."
        )
    return grpc.ssl_server_credentials(
        [(config.server_key.encode(), config.server_cert.encode())],
        root_certificates=config.custom_ca.encode() or None,
        require_client_auth=config.client_verify,
    )
