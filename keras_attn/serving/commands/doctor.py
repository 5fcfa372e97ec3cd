"""`keras-attn doctor`: installed packages, devices, and which commands work."""

import importlib
import importlib.metadata
import platform
import shutil
import socket
from pathlib import Path
from typing import Annotated, Any

import typer

from keras_attn.command_line import AsJson, print_result, waiting
from keras_attn.parallel import cores
from keras_attn.portable import has_tensorflow_text_wheels, tensorflow_text_remedy

__all__ = ["doctor", "inspect_environment"]

# Packages that each command needs beyond the base installation.
_REQUIREMENTS = {
    "train": ("keras", "tensorflow", "tensorflow-text", "sentencepiece", "sacrebleu"),
    "evaluate": ("keras", "tensorflow", "tensorflow-text", "sacrebleu"),
    "translate": ("keras", "tensorflow", "tensorflow-text"),
    "translate --server": (),
    "export": ("keras", "tensorflow", "tensorflow-text"),
    "serve": (
        "tensorflow",
        "tensorflow-text",
        "grpcio-health-checking",
        "grpcio-reflection",
        "anyio",
        "h11",
        "starlette",
        "uvicorn",
    ),
    "explorer": ("anyio", "h11", "starlette", "uvicorn"),
}
_PACKAGES = (
    "keras",
    "tensorflow",
    "tensorflow-text",
    "grpcio-health-checking",
    "grpcio-reflection",
    "anyio",
    "h11",
    "starlette",
    "uvicorn",
    "jax",
    "torch",
    "sentencepiece",
    "sacrebleu",
    "tensorflow-datasets",
    "matplotlib",
    "grpcio",
    "protobuf",
    "numpy",
)


def doctor(
    port: Annotated[
        list[int] | None,
        typer.Option(
            min=1,
            max=65535,
            show_default="8500 and 8501",
            help="Port to check; may be repeated.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List installed packages, devices, and the commands that work.

    Exits with 1 where an installed package cannot be imported.

    Example: keras-attn doctor
    """
    with waiting("inspecting this machine"):
        report = inspect_environment(port or [8500, 8501])
    print_result(report, "\n".join(_lines(report)), as_json)
    if report["broken"]:
        raise SystemExit(1)


def inspect_environment(ports: list[int]) -> dict[str, Any]:
    """Reports packages, devices, ports and usable commands of this machine.

    Args:
        ports: Ports of 127.0.0.1 to check.

    Returns:
        The report, ready for JSON. `broken` has the installed packages that cannot be
        imported, with the reason; `commands` the packages that each command lacks.
    """
    packages = {name: _version(name) for name in _PACKAGES}
    devices, broken = _tensorflow_devices(packages)
    return {
        "keras_attn": _version("keras-attn"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "packages": packages,
        "broken": broken,
        "cpus": cores(),
        "bfloat16_products": _has_bfloat16_products(),
        "devices": devices,
        "ports": {str(port): _is_free(port) for port in ports},
        "tensorflow_model_server": shutil.which("tensorflow_model_server"),
        "commands": {
            name: [
                package
                for package in required
                if packages[package] is None or package in broken
            ]
            for name, required in _REQUIREMENTS.items()
        },
    }


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _tensorflow_devices(packages):
    """Returns TensorFlow's devices, and the errors of packages that do not import."""
    if packages["tensorflow"] is None:
        return [], {}
    try:
        from keras_attn.quiet import import_tensorflow

        import_tensorflow()
        from tensorflow import config
    except Exception as error:  # whatever a broken installation raises
        return [], {"tensorflow": str(error)}
    listed = config.list_physical_devices()
    devices = [device.name.removeprefix("/physical_device:") for device in listed]
    if packages["tensorflow-text"] is None:
        return devices, {}
    try:
        importlib.import_module("tensorflow_text")
    except Exception as error:
        return devices, {"tensorflow-text": str(error)}
    return devices, {}


def _has_bfloat16_products():
    """Returns whether the CPU has bfloat16 matrix products; `None`: unknown."""
    cpu_info = Path("/proc/cpuinfo")
    if not cpu_info.exists():
        return None
    cpu_flags = cpu_info.read_text("utf-8", "replace").split()
    return "avx512_bf16" in cpu_flags or "amx_bf16" in cpu_flags


def _is_free(port):
    with socket.socket() as listener:
        # As servers do: a port that was closed just now counts as free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _lines(report):
    packages = report["packages"]
    installed = [f"{name} {version}" for name, version in packages.items() if version]
    missing = [name for name, version in packages.items() if version is None]
    bfloat16 = {True: "with", False: "without", None: "perhaps with"}[
        report["bfloat16_products"]
    ]
    server = report["tensorflow_model_server"]
    yield (
        f"keras-attn {report['keras_attn']}, Python {report['python']}, "
        f"{report['system']}"
    )
    yield f"installed  {', '.join(installed)}"
    yield f"missing    {', '.join(missing) or 'nothing'}"
    for name, reason in report["broken"].items():
        yield f"broken     {name}: {reason}"
    yield (
        f"devices    {', '.join(report['devices']) or 'not known without TensorFlow'}; "
        f"{report['cpus']} CPUs, {bfloat16} bfloat16 products"
    )
    for port, free in report["ports"].items():
        yield f"port {port}  {'free' if free else 'in use, or not allowed'}"
    yield (
        f"server     {server}"
        if server
        else "server     no tensorflow_model_server on the PATH; `keras-attn serve` "
        "needs none"
    )
    for name, missing in report["commands"].items():
        if not missing:
            yield f"works      keras-attn {name}"
            continue
        extra = "serve" if name in ("serve", "explorer") else "train"
        remedy = f"(pip install 'keras-attn[{extra}]')"
        if "tensorflow-text" in missing and not has_tensorflow_text_wheels():
            remedy = f"({tensorflow_text_remedy()})"
        yield f"lacks      keras-attn {name}: {', '.join(missing)} {remedy}"
