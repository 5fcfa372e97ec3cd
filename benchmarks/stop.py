"""How soon a server ends that is told to stop while it loads."""

import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.options import log
from benchmarks.report import describe_environment, one_line
from benchmarks.translators import end_server, start_server

_PROMISED_SECONDS = 11.0  # in docs/serving.md
# The default of a signal, before Python runs any code that could handle it.
_EXIT_CODES = {0, -signal.SIGTERM}


def stop(
    models_dir: Annotated[
        Path | None,
        typer.Option(
            help="Base path of an exported translator.",
            show_default="the demo translator, exported now",
        ),
    ] = None,
    moments: Annotated[
        int, typer.Option(min=1, help="Number of starts, each with one signal.")
    ] = 20,
) -> None:
    """Send SIGTERM to `keras-attn serve` at moments of its start, until it listens.

    Ends with one JSON line; exit code 1: a server took longer than promised, or its
    exit code was that of a failure.

    Example: python -m benchmarks stop --models-dir models/translator
    """
    with tempfile.TemporaryDirectory() as name:
        base = _export_demo(Path(name)) if models_dir is None else models_dir
        begin = time.monotonic()
        process, _ = start_server(base, "--rest-port", "0")
        load_seconds = time.monotonic() - begin
        end_server(process, signal.SIGTERM)
        ends = []
        for moment in range(moments):
            delay = load_seconds * (moment + 0.5) / moments
            ends.append((delay, *_seconds_to_end(base, delay)))
            log("SIGTERM after {:.2f} s: end in {:.2f} s, code {}".format(*ends[-1]))
    longest = max(seconds for _, seconds, _ in ends)
    codes = Counter(code for _, _, code in ends)
    result = {
        "benchmark": "stop",
        "moments": moments,
        "load_seconds": round(load_seconds, 2),
        "longest_seconds": round(longest, 2),
        "seconds": [round(seconds, 2) for _, seconds, _ in ends],
        "exit_codes": {str(code): codes[code] for code in sorted(codes)},
    }
    print(one_line({**result, **describe_environment()}))
    if longest > _PROMISED_SECONDS or not codes.keys() <= _EXIT_CODES:
        raise RuntimeError(
            f"A server must end within {_PROMISED_SECONDS:g} seconds, by itself. "
            f"Received: {longest:.1f} seconds, exit codes {sorted(codes)}."
        )


def _seconds_to_end(models_dir: Path, delay: float) -> tuple[float, int]:
    """Returns the seconds from the signal to the end of the process, and its code."""
    command = [sys.executable, "-m", "keras_attn.cli", "serve", str(models_dir)]
    process = subprocess.Popen(
        [*command, "--port", "0"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        time.sleep(delay)
        begin = time.monotonic()
        code = end_server(process, signal.SIGTERM)
        return time.monotonic() - begin, code
    finally:
        process.kill()


def _export_demo(folder: Path) -> Path:
    from keras_attn import Translator
    from keras_attn.serving.export import export_translator

    log("exporting the demo translator")
    translator = Translator.from_preset("demo_de_en")
    export_translator(translator, folder / "demo", self_test=False)
    return folder / "demo"
