"""Options of a deployment, validated once for all files."""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path

from keras_attn.serving.signature import MAX_WARMUP_TEXTS
from keras_attn.serving.version_folders import check_base, version_folders

__all__ = ["DeployOptions", "TlsFiles"]

# Kubernetes' rule for the name of a Service: it is a label of a DNS name.
_DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_MAX_NAME_LENGTH = 50  # of 63: derived names get suffixes
_LABEL = re.compile(r"[A-Za-z0-9][-_.A-Za-z0-9]*")


@dataclasses.dataclass(frozen=True)
class TlsFiles:
    """The PEM files of an encrypted gRPC port.

    Attributes:
        certificate: The server's certificate, with intermediate certificates.
        key: Its private key.
        client_ca: Certificate authorities that sign clients' certificates; with it, a
            client without a certificate is refused (mTLS).
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None


@dataclasses.dataclass(frozen=True)
class DeployOptions:
    """One model, served by TensorFlow Serving.

    Attributes:
        models_dir: The model's base path: one numbered folder for each version.
        name: The model's name in requests, and the name of its containers.
        versions: The versions to serve; empty: always the newest.
        labels: Version numbers by the label that requests may use.
        image: TensorFlow Serving's image, with a version tag.
        grpc_port: Port for gRPC.
        rest_port: Port for REST, health and metrics.
        max_batch_size: Maximum number of texts in one batch of the server.
        batch_timeout_micros: Microseconds that a batch waits to be filled.
        cpus: Number of CPUs of one server, and of batches that it runs at once.
        memory_gib: Memory of one server, in GiB.
        replicas: Minimum and maximum number of servers in Kubernetes.
        tls: PEM files of an encrypted gRPC port; `None`: not encrypted.

    Raises:
        ValueError: If a value is out of range, or an image has no version.
        FileNotFoundError: If `models_dir`, or one of `versions` in it, is missing.
    """

    models_dir: Path
    name: str = "translator"
    versions: tuple[int, ...] = ()
    labels: Mapping[str, int] = dataclasses.field(default_factory=dict)
    image: str = "tensorflow/serving:2.20.0"
    grpc_port: int = 8500
    rest_port: int = 8501
    max_batch_size: int = 32
    batch_timeout_micros: int = 2000
    cpus: int = 2
    memory_gib: int = 2
    replicas: tuple[int, int] = (2, 6)
    tls: TlsFiles | None = None

    def __post_init__(self) -> None:
        self._check_names()
        self._check_numbers()
        self._check_versions()

    def _check_names(self):
        name = self.name
        if not _DNS_LABEL.fullmatch(name) or len(name) > _MAX_NAME_LENGTH:
            raise ValueError(
                "`name` must be lower-case letters, digits and hyphens, begin with a "
                f"letter and have at most {_MAX_NAME_LENGTH} characters, since it "
                f"becomes a network name. Received: name={name!r}."
            )
        _, _, tag = self.image.rpartition("/")[2].partition(":")
        if not tag or tag == "latest" or any(map(str.isspace, self.image)):
            raise ValueError(
                "`image` must name a version, so that what runs changes only with "
                f"this configuration. Received: image={self.image!r}. "
                "As in tensorflow/serving:2.20.0."
            )

    def _check_numbers(self):
        if self.max_batch_size < MAX_WARMUP_TEXTS:
            raise ValueError(
                f"`max_batch_size` must be at least {MAX_WARMUP_TEXTS}, the texts of "
                "the largest warm-up request: a server that refuses it does not load "
                f"the version. Received: max_batch_size={self.max_batch_size!r}."
            )
        for name in ("cpus", "memory_gib"):
            value = getattr(self, name)
            if value < 1:
                raise ValueError(
                    f"`{name}` must be positive. Received: {name}={value!r}."
                )
        if self.batch_timeout_micros < 0:
            raise ValueError(
                "`batch_timeout_micros` must not be negative. Received: "
                f"batch_timeout_micros={self.batch_timeout_micros!r}."
            )
        ports = (self.grpc_port, self.rest_port)
        if not all(1 <= port <= 65535 for port in ports) or len(set(ports)) < 2:
            raise ValueError(
                "`grpc_port` and `rest_port` must be two ports in 1..65535. Received: "
                f"grpc_port={self.grpc_port!r}, rest_port={self.rest_port!r}."
            )
        minimum, maximum = self.replicas
        if not 1 <= minimum <= maximum:
            raise ValueError(
                "`replicas` must be the minimum and maximum number of servers, at "
                f"least 1. Received: replicas={self.replicas!r}."
            )

    def _check_versions(self):
        check_base(self.models_dir)
        existing = version_folders(self.models_dir)
        missing = [number for number in self.versions if number not in existing]
        if missing:
            raise FileNotFoundError(
                "Each of `versions` must be a folder of the model. Received: versions="
                f"{missing!r} in {self.models_dir}. Existing: {sorted(existing)}."
            )
        for label, number in self.labels.items():
            if not _LABEL.fullmatch(label) or number not in self.versions:
                raise ValueError(
                    "A label must be one word, for one of `versions`. Received: "
                    f"labels={label!r}: {number!r}, versions={self.versions!r}."
                )
