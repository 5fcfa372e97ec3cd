"""Certificates for the gRPC port."""

from pathlib import Path

import grpc

from keras_attn.serving.local_server.text_protos import read_text_proto

__all__ = ["read_credentials"]


def read_credentials(path: Path) -> grpc.ServerCredentials:
    """Reads the `SSLConfig` file that TensorFlow Serving's `--ssl_config_file` takes.

    Args:
        path: A text proto with `server_key` and `server_cert`, and perhaps `custom_ca`
            and `client_verify: true`. The first three are PEM texts, no file names.

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
