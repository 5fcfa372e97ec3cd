"""`keras-attn serve`: TensorFlow Serving's gRPC and REST, from Python."""

from pathlib import Path
from typing import Annotated, Any

import typer

from keras_attn.command_line import AsJson
from keras_attn.serving.model_server import choose_engine, run_model_server
from keras_attn.serving.version_folders import check_base

__all__ = ["serve"]


def serve(
    models_dir: Annotated[
        Path,
        typer.Argument(
            help="Folder of one model, with one numbered folder for each version, as "
            "`keras-attn export` writes it.",
        ),
    ],
    name: Annotated[
        str, typer.Option(help="Name of the model in requests.")
    ] = "translator",
    port: Annotated[
        int,
        typer.Option(
            min=0, max=65535, help="gRPC port; 0 takes any free one and prints it."
        ),
    ] = 8500,
    rest_port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="REST port; 0 takes any free one and prints it.",
            show_default="8501; 0 if --port is 0",
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on. The default is reached from this machine only; "
            "0.0.0.0 is open to the network, without encryption or passwords."
        ),
    ] = "127.0.0.1",
    poll_seconds: Annotated[
        float, typer.Option(help="Seconds between two looks for a new version.")
    ] = 1.0,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Threads for the model's arithmetic.",
            show_default="one for each CPU",
        ),
    ] = None,
    load_retries: Annotated[
        int,
        typer.Option(
            min=0,
            help="How often, a minute apart, loading a version that failed is tried "
            "again.",
        ),
    ] = 5,
    batching_parameters_file: Annotated[
        Path | None,
        typer.Option(
            help="Join requests into batches: BatchingParameters of TensorFlow Serving "
            "in protobuf's text format.",
        ),
    ] = None,
    ssl_config_file: Annotated[
        Path | None,
        typer.Option(
            help="Encrypt gRPC: SSLConfig of TensorFlow Serving in protobuf's text "
            "format. REST stays unencrypted.",
        ),
    ] = None,
    max_message_bytes: Annotated[
        int,
        typer.Option(
            min=1,
            max=2**31 - 1,
            help="Most bytes of a request; longer ones are refused unread. Of the "
            "local server only.",
        ),
    ] = 64 * 2**20,
    engine: Annotated[
        str,
        typer.Option(
            help="local: this package's server; tf-serving: tensorflow_model_server; "
            "auto: that where it is on the PATH and --host is 0.0.0.0, where it always "
            "listens.",
        ),
    ] = "auto",
    as_json: AsJson = False,
) -> None:
    """Serve an exported translator as TensorFlow Serving does.

    The newest version is served; a version that appears later takes over without a
    failed request. Needs the extra `serve`.
    """
    import logging
    import sys

    try:
        check_base(models_dir)  # in no time, while TensorFlow takes seconds to load
    except FileNotFoundError as error:
        print(f"keras-attn serve: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    options: dict[str, Any] = {
        "name": name,
        "port": port,
        "rest_port": (8501 if port else 0) if rest_port is None else rest_port,
        "poll_seconds": poll_seconds,
        "threads": threads,
        "load_retries": load_retries,
        "batching_parameters_file": batching_parameters_file,
        "ssl_config_file": ssl_config_file,
        "as_json": as_json,
    }
    binary = choose_engine(engine, host)
    if binary is not None:
        raise SystemExit(run_model_server(binary, models_dir, **options))
    logging.basicConfig(level="INFO", format="%(levelname)s %(message)s")
    try:
        from keras_attn.quiet import import_tensorflow

        import_tensorflow()
        from keras_attn.serving.local_server.run import run
    except ImportError as error:
        print(
            f"keras-attn serve: {error}. The server needs TensorFlow and "
            'tensorflow-serving-api: pip install "keras-attn[serve]".',
            file=sys.stderr,
        )
        raise SystemExit(2) from error
    options["max_message_bytes"] = max_message_bytes
    raise SystemExit(run(models_dir, host=host, **options))
