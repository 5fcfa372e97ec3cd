"""The certificates by which a client and a server know each other."""

import dataclasses
from pathlib import Path

import grpc

__all__ = ["Tls"]

_PEM = b"-----BEGIN "


@dataclasses.dataclass(frozen=True, slots=True)
class Tls:
    """Encrypts a client's connection.

    Attributes:
        ca: PEM file of the authorities that may have signed the server's certificate;
            `None`: those that gRPC trusts by itself.
        certificate: PEM file of the client's own certificate, for a server that asks
            for one (mTLS).
        key: PEM file of its private key.
        server_name: The name that the server's certificate must hold, where that is
            not the name by which the server is reached.

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
        """Reads the files.

        Raises:
            ValueError: If only one of `certificate` and `key` is given, or a file
                holds no PEM text.
            OSError: If a file cannot be read.
        """
        if (self.certificate is None) != (self.key is None):
            raise ValueError(
                "A client's certificate and its key belong together. Received: "
                f"certificate={self.certificate!r}, key={self.key!r}. "
                "Give both, or neither."
            )
        return grpc.ssl_channel_credentials(
            _pem("ca", self.ca),
            _pem("key", self.key),
            _pem("certificate", self.certificate),
        )


def _pem(name, path):
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
