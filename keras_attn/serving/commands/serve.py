"""`keras-attn serve`: TensorFlow Serving's gRPC and REST APIs, from Python."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from keras_attn.command_line import AsJson, log, print_result, waiting
from keras_attn.presets import cache_folder, digest, find_preset, preset_names
from keras_attn.serving.version_folders import check_base, version_folders

__all__ = ["run_server", "serve"]

_GRACE_SECONDS = 10.0  # for open requests


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
    rest_timeout: Annotated[
        float,
        typer.Option(
            help="Seconds after which a REST request is answered by 504, as "
            "--rest_api_timeout_in_ms of TensorFlow Serving; gRPC requests have their "
            "own deadline.",
        ),
    ] = 30.0,
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
            help="Maximum size of a request, and of each input once its last value "
            "stands for all missing ones; larger ones are refused.",
        ),
    ] = 16 * 2**20,
    max_rows: Annotated[
        int,
        typer.Option(
            min=1, help="Maximum number of rows (texts) in the inputs of a request."
        ),
    ] = 128,
    max_nesting: Annotated[
        int,
        typer.Option(
            min=1,
            max=500,
            help="Maximum depth of lists and objects in the JSON of a request.",
        ),
    ] = 100,
    max_json_values: Annotated[
        int,
        typer.Option(min=1, help="Maximum number of values in the JSON of a request."),
    ] = 2**20,
    max_models: Annotated[
        int,
        typer.Option(
            min=1,
            help="Maximum number of models that HandleReloadConfigRequest may list.",
        ),
    ] = 64,
    max_response_bytes: Annotated[
        int,
        typer.Option(min=1, help="Maximum size of the outputs of a request."),
    ] = 256 * 2**20,
    max_requests: Annotated[
        int,
        typer.Option(
            min=1,
            help="Maximum number of open requests on each port; further ones are "
            "refused.",
        ),
    ] = 256,
    max_open_bytes: Annotated[
        int,
        typer.Option(
            min=1,
            help="Maximum size of all open requests of a port and their responses "
            "together; what exceeds it is refused.",
        ),
    ] = 1024 * 2**20,
    body_seconds: Annotated[
        float,
        typer.Option(
            help="Seconds within which a request must arrive, and a client take its "
            "response; otherwise the call is cancelled."
        ),
    ] = 30.0,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(
            help="Name by which REST may be called besides --host and localhost, and "
            "whose pages may call it; may be repeated; * allows any.",
        ),
    ] = None,
    reload_root: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder in or below which HandleReloadConfigRequest may name models, "
            "besides MODELS_DIR; may be repeated; / allows any path, as TensorFlow "
            "Serving does. Whoever reaches the port may send the request, and a "
            "SavedModel is a program.",
        ),
    ] = None,
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
        rest_timeout=rest_timeout,
        poll_seconds=poll_seconds,
        threads=threads,
        load_retries=load_retries,
        limits={
            "max_message_bytes": max_message_bytes,
            "max_rows": max_rows,
            "max_nesting": max_nesting,
            "max_json_values": max_json_values,
            "max_models": max_models,
            "max_response_bytes": max_response_bytes,
            "max_requests": max_requests,
            "max_open_bytes": max_open_bytes,
            "body_seconds": body_seconds,
        },
        allowed_hosts=allowed_host or (),
        reload_roots=reload_root or (),
        as_json=as_json,
        **options,
    )


def run_server(
    models_dir: Path,
    *,
    limits: Mapping[str, Any] | None = None,
    batching_parameters_file: Path | None = None,
    ssl_config_file: Path | None = None,
    as_json: bool = False,
    **options: Any,
) -> None:
    """Serves until SIGTERM or SIGINT (Ctrl+C).

    Then open requests are answered, for at most ten seconds. A load that is running is
    not waited for: the process ends without it.

    Once the server is ready, one line goes to standard output, from which a script that
    asked for port 0 learns the ports:
    `listening on HOST:PORT model=NAME version=NUMBER rest=HOST:PORT`.

    Args:
        models_dir: The model's base path.
        limits: Fields of `Limits`.
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
    import logging
    import os
    import signal
    import sys

    from keras_attn.quiet import import_tensorflow

    signals = (signal.SIGTERM, signal.SIGINT)
    # From the beginning: a container's first process ignores signals without a handler.
    for number in signals:
        signal.signal(number, lambda *_: os._exit(0))
    try:
        import_tensorflow()
        from keras_attn.serving.local_server.batching import BatchingParameters
        from keras_attn.serving.local_server.errors import RequestError
        from keras_attn.serving.local_server.limits import Limits
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
    server = LocalServer(models_dir, limits=Limits(**(limits or {})), **options)
    for number in signals:
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
        if not server.stop(_GRACE_SECONDS, load_grace=0):
            logging.shutdown()
            sys.stdout.flush()
            os._exit(0)  # Python would wait for threads that run in C++


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
