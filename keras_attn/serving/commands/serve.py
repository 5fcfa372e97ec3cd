"""`keras-attn serve`: TensorFlow Serving's gRPC and REST APIs, from Python."""

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from keras_attn.command_line import AsJson, log, print_result, waiting
from keras_attn.presets import cache_folder, digest, find_preset, preset_names
from keras_attn.serving.version_folders import check_base, version_folders

__all__ = ["run_server", "serve"]


def serve(
    models_dir: Annotated[
        Path,
        typer.Argument(
            help="Folder of one model, with one numbered folder for each version, as "
            "`keras-attn export` writes it; or a preset: demo.",
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
        float, typer.Option(help="Seconds between two scans for a new version.")
    ] = 1.0,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of threads for the model's arithmetic.",
            show_default="one for each CPU",
        ),
    ] = None,
    load_retries: Annotated[
        int,
        typer.Option(
            min=0,
            help="Number of retries, a minute apart, of a version that fails to load.",
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
            help="Maximum size of a request; larger ones are refused unread.",
        ),
    ] = 64 * 2**20,
    engine: Annotated[
        str | None,
        typer.Option(
            help="No longer needed: `local` and `auto` are accepted and ignored."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Serve an exported translator as TensorFlow Serving does.

    The newest version is served; a version that appears later takes over without a
    failed request. Needs the extra `serve`.

    The name of a preset serves that translator, which is exported once into Keras's
    home; a folder of that name comes first.

    Examples: keras-attn serve models/translator

    keras-attn serve demo
    """
    import logging

    preset = None if models_dir.is_dir() else find_preset(str(models_dir))
    if preset is None:
        # Before the seconds that TensorFlow takes to load.
        check_base(models_dir, preset_names())
    else:
        models_dir = _export_preset(preset)
    options: dict[str, Any] = {
        "name": name,
        "port": port,
        "rest_port": (8501 if port else 0) if rest_port is None else rest_port,
        "batching_parameters_file": batching_parameters_file,
        "ssl_config_file": ssl_config_file,
    }
    if engine is not None:
        _check_engine(engine, models_dir, **options)
    logging.basicConfig(level="INFO", format="%(levelname)s %(message)s")
    run_server(
        models_dir,
        host=host,
        poll_seconds=poll_seconds,
        threads=threads,
        load_retries=load_retries,
        max_message_bytes=max_message_bytes,
        as_json=as_json,
        **options,
    )


def run_server(
    models_dir: Path,
    *,
    batching_parameters_file: Path | None = None,
    ssl_config_file: Path | None = None,
    as_json: bool = False,
    **options: Any,
) -> None:
    """Serves until SIGTERM or SIGINT (Ctrl+C).

    Once the server is ready, one line goes to standard output, from which a script that
    asked for port 0 learns the ports:
    `listening on HOST:PORT model=NAME version=NUMBER rest=HOST:PORT`.

    Args:
        models_dir: The model's base path.
        batching_parameters_file: Sizes and times of batching.
        ssl_config_file: Certificates for gRPC.
        as_json: Whether to print that line as JSON.
        **options: Arguments of `LocalServer`.

    Raises:
        ImportError: If the extra `serve` is not installed.
        ValueError: If an option or option file is invalid.
        OSError: If a port or file is not available.
        RuntimeError: If the model cannot be loaded.
    """
    import gc
    import signal

    from keras_attn.quiet import import_tensorflow

    try:
        import_tensorflow()
        from keras_attn.serving.local_server.batching import BatchingParameters
        from keras_attn.serving.local_server.errors import RequestError
        from keras_attn.serving.local_server.option_files import read_credentials
        from keras_attn.serving.local_server.server import LocalServer
    except ImportError as error:
        raise ImportError(
            f"{error}. The server needs TensorFlow, gRPC's health and reflection "
            'services, Starlette and Uvicorn: pip install "keras-attn[serve]".'
        ) from error
    if batching_parameters_file is not None:
        options["batching"] = BatchingParameters.read(batching_parameters_file)
    if ssl_config_file is not None:
        options["credentials"] = read_credentials(ssl_config_file)
    server = LocalServer(models_dir, **options)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.request_stop())
    # A collection of all imported objects would pause requests for 0.2 seconds.
    gc.collect()
    gc.freeze()
    with server:
        try:
            version = server.start()
        except OSError as error:
            raise OSError(
                f"{error}. Is another server running on {server.address}? "
                "Choose another --port or --rest-port (0: any free one)."
            ) from error
        except RequestError as error:
            raise RuntimeError(error.message) from error
        if version is not None:
            rest = server.rest_address
            rest_url = (
                f", REST on http://{rest}/v1/models/{server.name}" if rest else ""
            )
            log(
                f"Serving {server.name!r} from {models_dir}: gRPC on {server.address}"
                f"{rest_url}. Stop with Ctrl+C."
            )
            result = {
                "address": server.address,
                "model": server.name,
                "version": version,
                "rest": rest,
            }
            line = f"listening on {server.address} model={server.name} "
            line += f"version={version}" + (f" rest={rest}" if rest else "")
            print_result(result, line, as_json)
            server.wait()
        log("Stopping: open requests are answered first.")


def _export_preset(file: Path) -> Path:
    """Returns the folder of a preset's exported versions, made at the first call."""
    import importlib.metadata

    from keras_attn.quiet import import_tensorflow

    # What an export depends on. Another of these is another folder.
    versions = [
        importlib.metadata.version(name) for name in ("keras-attn", "tensorflow")
    ]
    name = "-".join([file.parent.name, *versions, digest(file)[:8]])
    folder = cache_folder() / "models" / name
    if folder.is_dir() and version_folders(folder):
        return folder
    log(f"Exporting the preset {file.parent.name} to {folder}, once.")
    with waiting(f"exporting {file.parent.name}"):
        import_tensorflow()
        from keras_attn import Translator
        from keras_attn.serving.export import export_translator

        export_translator(Translator.load(file), folder, run=file.parent, log=log)
    return folder


def _check_engine(
    engine,
    models_dir,
    *,
    name,
    port,
    rest_port,
    batching_parameters_file,
    ssl_config_file,
):
    """Refuses the former `--engine tf-serving` with the command that replaces it."""
    if engine in ("auto", "local"):
        log(
            "`--engine` is no longer needed: this command starts the local server. "
            f"Received: --engine {engine}."
        )
        return
    flags: dict[str, Any] = {
        "port": port,
        "rest_api_port": rest_port,
        "model_name": name,
        "model_base_path": models_dir.absolute(),
    }
    if batching_parameters_file is not None:
        flags["enable_batching"] = "true"
        flags["batching_parameters_file"] = batching_parameters_file.absolute()
    if ssl_config_file is not None:
        flags["ssl_config_file"] = ssl_config_file.absolute()
    command = [f"--{flag}={value}" for flag, value in flags.items()]
    raise ValueError(
        "`keras-attn serve` starts the local server only. Received: --engine "
        f"{engine}. Start TensorFlow Serving by its own command: "
        f"{shlex.join(['tensorflow_model_server', *command])}"
    )
