"""`keras-attn deploy`: writes the configuration files of TensorFlow Serving."""

from pathlib import Path
from typing import Annotated

import typer

from keras_attn.command_line import AsJson, check_output, log, print_result
from keras_attn.serving.deploy import DeployOptions, write_deployment
from keras_attn.serving.deploy.options import TlsFiles

__all__ = ["deploy"]

_FIELDS = DeployOptions.__dataclass_fields__


def _default(name):
    return _FIELDS[name].default


def deploy(
    out: Annotated[Path, typer.Argument(help="Folder for the files.")],
    models: Annotated[
        Path,
        typer.Option(help="Folder of the model, with one numbered folder per version."),
    ],
    name: Annotated[
        str, typer.Option(help="Name of the model in requests.")
    ] = _default("name"),
    version: Annotated[
        list[int] | None,
        typer.Option(
            min=0,
            help="A version to serve; may be repeated.",
            show_default="always the newest",
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            help="LABEL=VERSION: a name for a version in requests; may be repeated."
        ),
    ] = None,
    image: Annotated[
        str, typer.Option(help="TensorFlow Serving's image, with a version tag.")
    ] = _default("image"),
    grpc_port: Annotated[int, typer.Option(help="Port of gRPC.")] = _default(
        "grpc_port"
    ),
    rest_port: Annotated[
        int, typer.Option(help="Port of REST, health checks and metrics.")
    ] = _default("rest_port"),
    max_batch_size: Annotated[
        int, typer.Option(help="Maximum number of texts in a batch of the server.")
    ] = _default("max_batch_size"),
    batch_timeout_micros: Annotated[
        int, typer.Option(help="Microseconds that a batch waits to be filled.")
    ] = _default("batch_timeout_micros"),
    cpus: Annotated[int, typer.Option(help="Number of CPUs of one server.")] = _default(
        "cpus"
    ),
    memory_gib: Annotated[
        int, typer.Option(help="Memory of one server, in GiB.")
    ] = _default("memory_gib"),
    replicas: Annotated[
        tuple[int, int],
        typer.Option(help="Minimum and maximum number of servers in Kubernetes."),
    ] = _default("replicas"),
    tls_certificate: Annotated[
        Path | None, typer.Option(help="PEM file of the server's certificate.")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(help="PEM file of its private key.")
    ] = None,
    tls_client_ca: Annotated[
        Path | None,
        typer.Option(
            help="PEM file of the authorities of clients' certificates (mTLS)."
        ),
    ] = None,
    drop_label: Annotated[
        list[str] | None,
        typer.Option(
            help="A label of the replaced files that requests no longer use; may be "
            "repeated."
        ),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(
            help="HOST:PORT of a server that has the replaced files: labels move to "
            "versions that it has loaded.",
            show_default="to versions that these files list",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace existing files.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write configuration files of TensorFlow Serving for a model.

    Writes the server's own files, Docker Compose, Kubernetes manifests, Prometheus and
    a Grafana dashboard, with the same names, ports and paths. Prints the files.

    A server cannot move a label to a version that it has not loaded. If the files that
    --force replaces give a label to another version, the first of two steps is written,
    which loads the new version; the same command, given again, moves the label.

    Example: keras-attn deploy deployment --models models/translator --version 3
    --version 4 --label stable=3 --label canary=4
    """
    options = DeployOptions(
        models_dir=models,
        name=name,
        versions=tuple(version or ()),
        labels=dict(map(_parse_label, label or ())),
        image=image,
        grpc_port=grpc_port,
        rest_port=rest_port,
        max_batch_size=max_batch_size,
        batch_timeout_micros=batch_timeout_micros,
        cpus=cpus,
        memory_gib=memory_gib,
        replicas=replicas,
        tls=_tls_files(tls_certificate, tls_key, tls_client_ca),
    )
    check_output(out, folder=True)
    paths, step = write_deployment(
        options,
        out,
        force=force,
        drop_labels=drop_label or (),
        available=None if server is None else _available_versions(server, name),
    )
    waiting = {
        key: number
        for key, number in options.labels.items()
        if step.labels[key] != number
    }
    for path in paths:
        print_result({"file": path, "waiting_labels": waiting}, str(path), as_json)
    for key, number in waiting.items():
        log(
            f"Step 1 of 2: these files load version {number}, and {key} stays at "
            f"version {step.labels[key]}, since a server moves a label only to a "
            "version that it has loaded. Apply them, wait until `Client.status` says "
            f"that {number} is AVAILABLE, then give this command again."
        )


def _available_versions(server, name):
    from keras_attn.serving.client import Client

    with Client(server, model=name) as client:
        return [
            status.version for status in client.status() if status.state == "AVAILABLE"
        ]


def _parse_label(text):
    label, equals, number = text.partition("=")
    if not equals or not number.isdecimal():
        raise ValueError(
            f"--label must be LABEL=VERSION. Received: --label {text}. "
            "As in --label stable=3."
        )
    return label, int(number)


def _tls_files(certificate, key, client_ca):
    if certificate is None and key is None and client_ca is None:
        return None
    if certificate is None or key is None:
        raise ValueError(
            "An encrypted port needs a certificate and its key. Received: "
            f"--tls-certificate {certificate}, --tls-key {key}, "
            f"--tls-client-ca {client_ca}. Give the first two together."
        )
    return TlsFiles(certificate, key, client_ca)
