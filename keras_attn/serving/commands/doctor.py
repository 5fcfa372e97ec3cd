"""`keras-attn doctor`: what is installed here, and what can be done with it."""

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

__all__ = ["doctor", "examine"]

# What each command needs beyond the base, as installed packages.
_NEEDS = {
    "train": ("keras", "tensorflow", "tensorflow-text", "sentencepiece", "sacrebleu"),
    "evaluate": ("keras", "tensorflow", "tensorflow-text", "sacrebleu"),
    "translate": ("keras", "tensorflow", "tensorflow-text"),
    "translate --server": (),
    "export": ("keras", "tensorflow", "tensorflow-text"),
    "serve": (
        "tensorflow",
        "tensorflow-text",
        "tensorflow-serving-api",
        "grpcio-health-checking",
        "grpcio-reflection",
        "starlette",
        "uvicorn",
    ),
    "explorer": ("starlette", "uvicorn"),
}
_PACKAGES = (
    "keras",
    "tensorflow",
    "tensorflow-text",
    "tensorflow-serving-api",
    "grpcio-health-checking",
    "grpcio-reflection",
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
            help="Port to look at; may be repeated.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what is installed, which devices are there, and what works.

    Exits with 1 where a package is installed that cannot be imported.

    Example: keras-attn doctor
    """
    with waiting("looking at this machine"):
        found = examine(port or [8500, 8501])
    print_result(found, "\n".join(_lines(found)), as_json)
    if found["broken"]:
        raise SystemExit(1)


def examine(ports: list[int]) -> dict[str, Any]:
    """Looks at this machine.

    Args:
        ports: Ports of 127.0.0.1 to try.

    Returns:
        Versions, devices, ports and commands by name, ready for JSON; `broken` has the
        packages that are installed and cannot be imported, with the reason.
    """
    packages = {name: _version(name) for name in _PACKAGES}
    devices, broken = _devices(packages)
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
            name: [each for each in needs if packages[each] is None or each in broken]
            for name, needs in _NEEDS.items()
        },
    }


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _devices(packages):
    """Returns what TensorFlow computes on, and what of it cannot be imported."""
    if packages["tensorflow"] is None:
        return [], {}
    try:
        from keras_attn.quiet import import_tensorflow

        import_tensorflow()
        from tensorflow import config
    except Exception as error:  # whatever a broken installation raises
        return [], {"tensorflow": str(error)}
    listed = config.list_physical_devices()
    devices = [each.name.removeprefix("/physical_device:") for each in listed]
    if packages["tensorflow-text"] is None:
        return devices, {}
    try:
        importlib.import_module("tensorflow_text")
    except Exception as error:
        return devices, {"tensorflow-text": str(error)}
    return devices, {}


def _has_bfloat16_products():
    """Returns whether the processor multiplies 16-bit numbers; None: not known."""
    facts = Path("/proc/cpuinfo")
    if not facts.exists():
        return None
    words = facts.read_text("utf-8", "replace").split()
    return "avx512_bf16" in words or "amx_bf16" in words


def _is_free(port):
    with socket.socket() as listener:
        # As servers do: a port that has just been left counts as free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _lines(found):
    packages = found["packages"]
    there = [f"{name} {version}" for name, version in packages.items() if version]
    missing = [name for name, version in packages.items() if version is None]
    fast = {True: "with", False: "without", None: "perhaps with"}
    server = found["tensorflow_model_server"]
    yield (
        f"keras-attn {found['keras_attn']}, Python {found['python']}, {found['system']}"
    )
    yield f"installed  {', '.join(there)}"
    yield f"not here   {', '.join(missing) or 'nothing'}"
    for name, reason in found["broken"].items():
        yield f"broken     {name}: {reason}"
    yield (
        f"devices    {', '.join(found['devices']) or 'not known without TensorFlow'}; "
        f"{found['cpus']} CPUs, {fast[found['bfloat16_products']]} bfloat16 products"
    )
    for port, free in found["ports"].items():
        yield f"port {port}  {'free' if free else 'in use, or not allowed'}"
    yield (
        f"server     {server}"
        if server
        else "server     no tensorflow_model_server on the PATH; `keras-attn serve` "
        "needs none"
    )
    for name, lacks in found["commands"].items():
        if not lacks:
            yield f"works      keras-attn {name}"
            continue
        extra = "serve" if name in ("serve", "explorer") else "train"
        yield (
            f"lacks      keras-attn {name}: {', '.join(lacks)} "
            f"(pip install 'keras-attn[{extra}]')"
        )
