"""Installs the wheel into new environments, one after the other, and uses it there.

Each row of the table is a Python version with versions of the packages around it. Its
environment gets the wheel, runs the short tests of the conformance list and of files
saved by earlier releases, then trains a tiny translator, exports it, serves it and asks
it by gRPC. The row `client` has the base installation alone, on the newest Python, and
asks each of those servers.

`make compatibility` runs it. Needs a Python with pip, and a package index. Interpreters
are those of the variable PYTHONS (paths, with spaces between them), `python3.N` on the
PATH, and pyenv's. All is written below the system's folder for temporary files, and
removed.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "examples"))

from keras_attn_command import (  # noqa: E402  the path comes first
    KerasAttn,
    heading,
    run,
    same_translations,
)

NEWEST = "newest"
TESTS = (
    "tests/conformance/test_coverage.py",
    "tests/conformance/test_files.py",
    "tests/conformance/test_agreement.py",
    "tests/test_golden.py",
)
TINY = (
    *("corpus.train_pairs=300", "corpus.validation_pairs=40", "corpus.test_pairs=30"),
    *("text.vocabulary_size=300", "model.embedding_dim=16", "model.readout_units=16"),
    *("model.encoder_units=16", "model.decoder_units=24", "model.attention_units=16"),
    *("training.epochs=1", "training.batch_size=32", "training.validation_bleu=none"),
)
SENTENCES = ["Der Hund schläft.", "Die Frau sieht einen alten Baum."]
SHOWN = ("tensorflow", "keras", "tensorflow-text", "protobuf", "numpy")
VERSIONS = """
import importlib.metadata, sys
for name in sys.argv[1:]:
    try:
        print(name, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        pass
"""


@dataclasses.dataclass(frozen=True)
class Row:
    """One environment.

    Attributes:
        name: Its name in the table.
        python: Version such as `3.10`; `NEWEST`: the newest there is.
        pins: Requirements beside the wheel.
        oldest: Whether every dependency has the lowest version that it may have.
    """

    name: str
    python: str
    pins: tuple[str, ...] = ()
    oldest: bool = False


CLIENT = Row("client", NEWEST)
ROWS = (
    Row("oldest", "3.10", oldest=True),
    Row(
        "colab",
        "3.12",
        ("tensorflow==2.20.0", "keras==3.13.2", "tensorflow-text==2.20.1"),
    ),
    Row("newest", "3.13"),
    CLIENT,
)


@dataclasses.dataclass
class Result:
    """What became of a row: `result` is `ok`, or what went wrong."""

    row: Row
    result: str = "not run"
    versions: dict[str, str] = dataclasses.field(default_factory=dict)
    minutes: dict[str, float] = dataclasses.field(default_factory=dict)


def main() -> None:
    """Runs the rows and prints the table; exits with 1 unless all of them are ok."""
    names = [row.name for row in ROWS]
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("rows", nargs="*", help=f"of {', '.join(names)}; none: all")
    parser.add_argument(
        "--skip-missing",
        action="store_true",
        help="a row without its Python does not count as a failure",
    )
    options = parser.parse_args()
    if unknown := set(options.rows) - set(names):
        parser.error(f"rows are {', '.join(names)}. Received: {', '.join(unknown)}.")
    # As Ctrl+C does: environments are removed, servers stopped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    results = {row: Result(row) for row in ROWS if row.name in (options.rows or names)}
    pythons = find_pythons()
    with tempfile.TemporaryDirectory(prefix="keras-attn-") as folder:
        os.chdir(folder)
        os.environ.pop("PYTHONPATH", None)
        wheel = build_wheel(Path("source"))
        run_rows(results, pythons, wheel)
        os.chdir(ROOT)
    print(format_table(results.values()))
    missing = [result for result in results.values() if "no Python" in result.result]
    failed = [r for r in results.values() if r.result != "ok" and r not in missing]
    sys.exit(bool(failed or (missing and not options.skip_missing)))


def find_pythons() -> dict[tuple[int, int], str]:
    """Returns interpreters by version; the first of each version counts."""
    named = os.environ.get("PYTHONS", "").split()
    if unknown := [name for name in named if shutil.which(name) is None]:
        sys.exit(f"PYTHONS must name interpreters. Received: {' '.join(unknown)}.")
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [
        *named,
        *(shutil.which(f"python3.{minor}") for minor in range(10, 30)),
        *map(str, sorted(pyenv.glob("versions/*/bin/python"), reverse=True)),
        sys.executable,
    ]
    pythons: dict[tuple[int, int], str] = {}
    for python in filter(None, candidates):
        # One that does not start, as pyenv's stand-in for a version that is not
        # active, does not count.
        done = subprocess.run(
            [python, "-c", "import sys; print(*sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            major, minor = map(int, done.stdout.split())
            pythons.setdefault((major, minor), python)
    return pythons


def choose_python(version: str, pythons: dict[tuple[int, int], str]) -> str | None:
    """Returns the interpreter of a version, `None` where there is none."""
    if version == NEWEST:
        return pythons[max(pythons)]
    major, minor = map(int, version.split("."))
    return pythons.get((major, minor))


def build_wheel(source: Path) -> Path:
    """Builds the wheel from a copy of the sources, then takes the package out of it."""
    heading("wheel")
    shutil.copytree(ROOT, source, ignore=_generated)
    run(
        *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"),
        *("--disable-pip-version-check", "--wheel-dir", "wheel", f"./{source}"),
    )
    shutil.rmtree(source / "keras_attn")
    [wheel] = Path("wheel").glob("*.whl")
    return wheel.absolute()


def _generated(folder: str, names: list[str]) -> set[str]:
    """Returns the names in a folder that are no sources."""
    outputs = {"build", "dist", "runs"} if Path(folder) == ROOT else set()
    return {
        name
        for name in names
        if name in outputs or name.startswith(".") or name.endswith(".egg-info")
    }


def lowest_versions(wheel: Path) -> list[str]:
    """Returns a constraint for each dependency: the lowest version it may have.

    Those of tools for development, such as pytest, are left out.
    """
    with zipfile.ZipFile(wheel) as archive:
        [name] = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
        lines = archive.read(name).decode().splitlines()
    constraints = []
    for line in lines:
        match = re.fullmatch(r"Requires-Dist: ([\w.-]+)([^;]*)(?:;(.*))?", line)
        if match is None:
            continue
        package, specifier, marker = match.groups()
        extra = re.search(r'extra == "(\w+)"', marker or "")
        lowest = re.search(r">=\s*([\d.]+)", specifier)
        used = extra is None or extra[1] in ("tensorflow", "train", "serve", "plot")
        if lowest and used:
            constraints.append(f"{package}=={lowest[1]}.*")
    return constraints


def run_rows(
    results: dict[Row, Result], pythons: dict[tuple[int, int], str], wheel: Path
) -> None:
    """Fills in the results of all rows."""
    with contextlib.ExitStack() as stack:
        client = None
        if CLIENT in results:
            with noted(results[CLIENT]):
                environment = stack.enter_context(
                    installed(results[CLIENT], pythons, wheel, extras="")
                )
                check_client_alone(environment)
                client = environment
        for row, result in results.items():
            if row == CLIENT:
                continue
            with noted(result), installed(result, pythons, wheel) as python:
                with timed(result, "tests"):
                    run_tests(python)
                with timed(result, "train to answer"):
                    use(python, client and results[CLIENT], client)


@contextlib.contextmanager
def noted(result: Result) -> Iterator[None]:
    """Writes what a row ended with into its result."""
    try:
        yield
    except (AssertionError, OSError, SystemExit, LookupError) as error:
        result.result = str(error)
    else:
        if result.result == "not run":  # the client may have failed in another row
            result.result = "ok"


@contextlib.contextmanager
def timed(result: Result, step: str) -> Iterator[None]:
    """Adds the minutes of a step, and names the step where it fails."""
    heading(f"{result.row.name}: {step}")
    started = time.monotonic()
    try:
        yield
    except (AssertionError, SystemExit) as error:
        raise SystemExit(f"{step}: {error}") from error
    finally:
        result.minutes[step] = (time.monotonic() - started) / 60


@contextlib.contextmanager
def installed(
    result: Result,
    pythons: dict[tuple[int, int], str],
    wheel: Path,
    extras: str = "[train,serve,test]",
) -> Iterator[str]:
    """Yields the interpreter of a row's environment, which is removed afterwards."""
    row = result.row
    base = choose_python(row.python, pythons)
    if base is None:
        raise LookupError(f"no Python {row.python}")
    constraints = Path(f"{row.name}.txt")
    lines = lowest_versions(wheel) if row.oldest else []
    constraints.write_text("".join(f"{line}\n" for line in lines))
    environment = Path(f"env-{row.name}").absolute()
    python = str(environment / "bin/python")
    try:
        with timed(result, "install"):
            run(base, "-m", "venv", environment)
            run(
                *(python, "-m", "pip", "install", "--quiet"),
                *("--disable-pip-version-check", "--constraint", constraints),
                *(f"{wheel}{extras}", *row.pins),
            )
        versions = run(python, "-c", VERSIONS, *SHOWN)
        result.versions = dict(line.split() for line in versions.splitlines())
        result.versions["python"] = run(python, "--version").split()[1]
        yield python
    finally:
        shutil.rmtree(environment, ignore_errors=True)


def run_tests(python: str) -> None:
    """Runs the short tests, on the installed wheel."""
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"  # it compiles a kernel for each shape
    os.chdir("source")
    try:
        # Other versions warn of other things, which are no errors here.
        options = ("--quiet", "--tb=short", "-W", "default", "--disable-warnings")
        output = run(python, "-m", "pytest", *options, *TESTS)
    finally:
        os.chdir("..")
        del os.environ["TF_ENABLE_ONEDNN_OPTS"]
    print(output.splitlines()[-1], file=sys.stderr)


def use(python: str, client_result: Result | None, client: str | None) -> None:
    """Trains, exports, serves and asks; the client, where there is one, asks, too."""
    keras_attn = KerasAttn(python)
    work = Path(tempfile.mkdtemp(dir="."))
    keras_attn("train", "demo", "--out", work / "run", *TINY)
    keras_attn("export", work / "run", work / "models")
    translate = ("translate", "-t", work / "run", "--json", *SENTENCES)
    local = read_lines(keras_attn(*translate))
    with keras_attn.serve(work / "models") as (address, _):
        ask = ("translate", "--server", address, "--json", *SENTENCES)
        answers = read_lines(keras_attn(*ask))
        if client is not None:
            with noted(client_result), timed(client_result, "train to answer"):
                by_client = read_lines(KerasAttn(client)(*ask))
                assert by_client == answers, f"the server of {python} answers otherwise"
    assert same_translations(answers, local), "the server differs from Python"


def read_lines(output: str) -> list[dict]:
    """Returns the values of lines of JSON."""
    return [json.loads(line) for line in output.splitlines()]


def check_client_alone(python: str) -> None:
    """Checks that the client's environment has neither TensorFlow nor Keras."""
    done = run(python, "-m", "pip", "list", "--format", "freeze")
    names = {line.partition("==")[0].lower() for line in done.splitlines()}
    assert not names & {"keras", "tensorflow", "tensorflow-text", "jax", "torch"}
    run(python, "-c", "from keras_attn.serving.client import Client")


def format_table(results) -> str:
    """Returns the table in Markdown."""
    steps = ("install", "tests", "train to answer")
    lines = [
        f"| row | Python | packages | {' | '.join(f'{s}, min' for s in steps)} | |",
        f"|---|---|---|{'---:|' * len(steps)}---|",
    ]
    for result in results:
        versions = dict(result.versions)
        python = versions.pop("python", result.row.python)
        packages = ", ".join(f"{name} {number}" for name, number in versions.items())
        minutes = " | ".join(
            f"{result.minutes[step]:.1f}" if step in result.minutes else ""
            for step in steps
        )
        lines.append(
            f"| {result.row.name} | {python} | {packages} | {minutes} | "
            f"{result.result} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
