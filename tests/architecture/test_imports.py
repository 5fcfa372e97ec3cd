"""Imports go one way: the table of docs/architecture.md, enforced by AST."""

import ast
import functools
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
OURS = ("keras_attn", "benchmarks")

# What a room may import of our own, beside itself. The longest prefix decides.
LIBRARY = (
    "keras_attn.command_line",
    "keras_attn.decoding",
    "keras_attn.inputs",
    "keras_attn.layers",
    "keras_attn.lazy",
    "keras_attn.markup",
    "keras_attn.masking",
    "keras_attn.metrics",
    "keras_attn.models",
    "keras_attn.parallel",
    "keras_attn.plotting",
    "keras_attn.portable",
    "keras_attn.presets",
    "keras_attn.quiet",
    "keras_attn.saved",
    "keras_attn.scanning",
    "keras_attn.seq2seq_config",
    "keras_attn.step_ops",
    "keras_attn.text",
    "keras_attn.translation",
    "keras_attn.translator",
)
# What every room may import.
ANYWHERE = ("keras_attn.deprecation", "keras_attn.spelling", "keras_attn.typing")
MAY_IMPORT = {
    "keras_attn": ("keras_attn.lazy", "keras_attn.registration"),
    "keras_attn.__main__": ("keras_attn.cli",),
    "keras_attn.cli": (),
    "keras_attn.command_line": (),
    "keras_attn.deprecation": (),
    "keras_attn.lazy": (),
    "keras_attn.spelling": (),
    "keras_attn.typing": (),
    "keras_attn.inputs": (),
    "keras_attn.masking": ("keras_attn.inputs",),
    "keras_attn.parallel": (),
    "keras_attn.portable": (),
    "keras_attn.quiet": (),
    "keras_attn.registration": (),
    "keras_attn.presets": (),
    "keras_attn.saved": ("keras_attn.presets",),
    # Late, inside of the methods that draw it and find its links.
    "keras_attn.translation": ("keras_attn.plotting", "keras_attn.text.links"),
    "keras_attn.scanning": (),
    "keras_attn.seq2seq_config": (),
    "keras_attn.step_ops": (),
    "keras_attn.layers": (
        "keras_attn.inputs",
        "keras_attn.masking",
        "keras_attn.scanning",
        "keras_attn.step_ops",
    ),
    "keras_attn.models": (
        "keras_attn.inputs",
        "keras_attn.masking",
        "keras_attn.layers",
        "keras_attn.metrics",
        "keras_attn.seq2seq_config",
        "keras_attn.step_ops",
    ),
    "keras_attn.decoding": ("keras_attn.inputs", "keras_attn.step_ops"),
    "keras_attn.metrics": (
        "keras_attn.inputs",
        "keras_attn.lazy",
        "keras_attn.masking",
    ),
    "keras_attn.text": (
        "keras_attn.lazy",
        "keras_attn.parallel",
        "keras_attn.portable",
        "keras_attn.translation",
    ),
    "keras_attn.markup": ("keras_attn.text.words", "keras_attn.translation"),
    "keras_attn.plotting": (
        "keras_attn.lazy",
        "keras_attn.translation",
        "keras_attn.text.words",
    ),
    "keras_attn.translator": (
        "keras_attn.decoding",
        "keras_attn.layers",
        "keras_attn.markup",
        "keras_attn.metrics.bayes_risk",
        "keras_attn.models",
        "keras_attn.parallel",
        "keras_attn.presets",
        "keras_attn.saved",
        "keras_attn.text",
        "keras_attn.translation",
    ),
    # They share a saved translator, and nothing else.
    "keras_attn.training": LIBRARY,
    "keras_attn.serving": LIBRARY,
    # Not installed: it uses the package as its users do, and nothing imports it.
    "benchmarks": (*LIBRARY, "keras_attn.training", "keras_attn.serving"),
}
TENSORFLOW = (
    "tensorflow",
    "tensorflow_text",
    "tensorflow_serving",
    "tensorflow_datasets",
)
MAY_USE_TENSORFLOW = (
    "benchmarks",
    "keras_attn.metrics.replicas",
    "keras_attn.scanning",
    "keras_attn.step_ops",
    "keras_attn.text",
    "keras_attn.quiet",
    "keras_attn.training",
    "keras_attn.serving",
)
# These run on every Keras backend: nothing else may compute.
ONLY_KERAS = tuple(
    f"keras_attn.{room}"
    for room in ("inputs", "masking", "layers", "models", "decoding")
)
CLIENT = (
    "keras_attn.serving.client",
    "keras_attn.serving.wire",
    "keras_attn.serving.signature",
)
CLIENT_NEVER = (*TENSORFLOW, "keras", "keras_core", "jax", "torch")


USERS = ("keras_attn.training", "keras_attn.serving", "keras_attn.cli", "benchmarks")


def is_lazy(name):
    """Whether it is the package itself, or a public name of its own."""
    parts = name.split(".")
    return len(parts) == 1 or parts[1][0].isupper() or parts[1] == "__version__"


def within(name, prefixes):
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def for_type_checkers(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def imports(source, module, is_package=False):
    """Yields the names that running Python source may import."""
    tree = ast.parse(source)
    tree.body = [node for node in tree.body if not for_type_checkers(node)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                parts = parts[: len(parts) - node.level + is_package]
                base = ".".join([*parts, *([base] if base else [])])
            for alias in node.names:
                yield f"{base}.{alias.name}"


def violations(module, source, is_package=False):
    room = max((r for r in MAY_IMPORT if within(module, [r])), key=len)
    for name in imports(source, module, is_package):
        top = name.split(".")[0]
        if top in OURS:
            # `keras_attn.Translator` and the like come through the lazy package, for
            # those who use it as anybody does.
            is_user = within(module, USERS)
            if is_user and within(name, ["keras_attn"]) and is_lazy(name):
                continue
            # The package's own room holds it alone, not all the rooms inside it.
            own = () if module == "keras_attn" else (room,)
            if not within(name, (*own, *MAY_IMPORT[room], *ANYWHERE)):
                yield f"{module} must not import {name}"
        if within(name, ["keras.src"]):
            yield f"{module} imports {name}, which is private to Keras"
        if top in TENSORFLOW and not within(module, MAY_USE_TENSORFLOW):
            yield f"{module} must not import {name}"
        if within(module, ONLY_KERAS) and top not in {
            *OURS, "keras", "numpy", *sys.stdlib_module_names
        }:  # fmt: skip
            yield f"{module} must compute with keras.ops alone, not with {name}"


BRIDGE = "keras_attn.layers.decoder.bridge"


def modules():
    """All our modules by name: path."""
    found = {}
    for package in OURS:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


MODULES = modules()


@functools.cache
def module_imports(module):
    path = MODULES[module]
    return list(imports(path.read_text("utf-8"), module, path.name == "__init__.py"))


def reached(start):
    """`start`, and all of our modules that importing or running it may import."""
    seen, queue = set(), [start]
    while queue:
        module = queue.pop()
        if module in seen:
            continue
        seen.add(module)
        for name in module_imports(module):
            parts = name.split(".")
            prefixes = {".".join(parts[: n + 1]) for n in range(len(parts))}
            queue += prefixes & MODULES.keys()
    return seen


def test_every_package_is_seen():
    assert {BRIDGE, "keras_attn.serving.client", "keras_attn.training.fit"} <= set(
        MODULES
    )


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_one_way(module):
    path = MODULES[module]
    source = path.read_text("utf-8")
    assert not list(violations(module, source, path.name == "__init__.py"))


@pytest.mark.parametrize("module", [name for name in MODULES if within(name, CLIENT)])
def test_the_client_reaches_neither_tensorflow_nor_keras(module):
    for each in sorted(reached(module)):
        forbidden = [n for n in module_imports(each) if within(n, CLIENT_NEVER)]
        assert not forbidden, f"{module} reaches {each}, which imports {forbidden}"


@pytest.mark.parametrize(
    ("module", "source", "told"),
    [
        ("keras_attn.masking", "from keras_attn.layers import Bridge", "layers.Bridge"),
        (BRIDGE, "import keras_attn.models", "keras_attn.models"),
        (BRIDGE, "from ...models import config", "models.config"),
        (BRIDGE, "from keras_attn import models", "models"),
        (BRIDGE, "import tensorflow as tf", "tensorflow"),
        (BRIDGE, "import scipy", "scipy"),
        (BRIDGE, "import keras.src.ops", "keras.src"),
        (BRIDGE, "from keras.src import ops", "keras.src"),
        ("keras_attn.models.seq2seq", "from keras_attn.text import x", "text.x"),
        ("keras_attn.decoding.beam", "import keras_attn.layers", "layers"),
        ("keras_attn.decoding.beam", "def f():\n import keras_attn.models", "models"),
        ("keras_attn.text.codec", "import keras_attn.layers", "layers"),
        ("keras_attn.plotting.page", "import keras_attn.text.codec", "text.codec"),
        ("keras_attn.plotting.page", "import tensorflow", "tensorflow"),
        ("keras_attn.markup.spans", "import keras_attn.text.codec", "text.codec"),
        ("keras_attn.metrics.loss", "import tensorflow", "tensorflow"),
        ("keras_attn.translator.search", "import tensorflow", "tensorflow"),
        (
            "keras_attn.translator.search",
            "from keras_attn.training.fit import fit",
            "fit",
        ),
        ("keras_attn", "from keras_attn.layers import Bridge", "layers.Bridge"),
        ("keras_attn.translation", "def f():\n import keras_attn.serving", "serving"),
        ("keras_attn.training.fit", "import keras_attn.serving.export", "export"),
        (
            "keras_attn.serving.export",
            "def f():\n from keras_attn import training",
            "t",
        ),
        (
            "keras_attn.serving.export",
            "from keras_attn.training import fit",
            "training",
        ),
    ],
)
def test_the_checker_sees(module, source, told):
    found = list(violations(module, source))
    assert found
    assert told in found[0]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        (BRIDGE, "import keras\nfrom keras import ops"),
        (BRIDGE, "from ..arguments import check_rank"),
        ("keras_attn.models.seq2seq", "from keras_attn import masking"),
        (
            "keras_attn.translator.search",
            "def f():\n from keras_attn.text import graph",
        ),
        ("keras_attn.serving.export", "from keras_attn import Translator"),
        ("keras_attn.training.fit", "import keras_attn\nimport tensorflow"),
    ],
)
def test_the_checker_allows(module, source):
    assert not list(violations(module, source))


# Imports, then uses, one module after the other; prints those that fail, and why.
BLOCK = """
import importlib, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {names!r}:
            raise ImportError(f"{{name}} is blocked")
sys.meta_path.insert(0, Refuse())
for module, use in {modules!r}:
    try:
        importlib.import_module(module)
        exec(f"import {{module}}, keras_attn; {{use}}")
    except Exception as error:
        print(f"{{module}}: {{error!r}}")
"""
LIGHT = [
    ("keras_attn", "assert 'Translator' in dir(keras_attn)"),
    ("keras_attn.translation", "keras_attn.Translation"),
    ("keras_attn.plotting", "keras_attn.plotting.attention_text"),
    ("keras_attn.markup", "keras_attn.markup.translate_markup"),
    ("keras_attn.text.words", "keras_attn.text.words.word_spans"),
    ("keras_attn.cli", "keras_attn.cli.main"),
    ("keras_attn.serving.client", "keras_attn.serving.client.Client"),
    ("keras_attn.serving.signature", ""),
    # Help texts import commands.
    *((name, "") for name in MODULES if "commands" in name.split(".")[:-1]),
]


def failures_where_heavy_ones_are_missing(modules):
    names = {*CLIENT_NEVER, "matplotlib", "sentencepiece", "sacrebleu"}
    program = BLOCK.format(names=names, modules=modules)
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_light_modules_import_where_heavy_ones_are_missing():
    # In one process: what is blocked fails in each of them, whatever came before.
    assert failures_where_heavy_ones_are_missing(LIGHT) == []


def test_a_module_that_is_not_light_is_named():
    [told] = failures_where_heavy_ones_are_missing(
        [("keras_attn.masking", ""), ("keras_attn.translation", "")]
    )
    assert told.startswith("keras_attn.masking: ImportError('keras is blocked')")
