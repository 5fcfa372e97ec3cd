"""Entries in Keras's registry for all classes of the package, without importing them.

A saved file names its classes, and `keras.saving.load_model` looks them up in a
registry that a class enters when its module is imported. So that every file loads after
`import keras_attn`, which imports neither Keras nor a module with classes, the registry
gets a stand-in for each class. It imports the class when a file contains it.
"""

import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

__all__ = ["REGISTERED", "register_classes"]

# Modules and the classes in them that are registered as `keras_attn>NAME`.
REGISTERED = {
    "keras_attn.layers": (
        "Aligner",
        "AttentionCell",
        "AttentionDecoder",
        "BahdanauAttention",
        "Bridge",
        "ConcatAttention",
        "ConditionalCell",
        "CoverageAttention",
        "DotAttention",
        "Encoder",
        "GeneralAttention",
        "LayerNormGRUCell",
        "LayerNormLSTMCell",
        "LayerNormSimpleRNNCell",
        "LocalAttention",
        "LocationAttention",
        "LuongCell",
        "MonotonicAttention",
        "MultiHeadDotAttention",
        "NormedBahdanauAttention",
        "PyramidalEncoder",
        "Readout",
        "ResidualCell",
        "ScaledDotAttention",
        "ScaledEmbedding",
    ),
    "keras_attn.layers.cells.fused_gru_cell": ("FusedGRUCell",),
    "keras_attn.layers.cells.rnn_cells": ("AnyPrecisionOrthogonal",),
    "keras_attn.layers.decoder.lexical_shortlist": ("LexicalShortlist",),
    "keras_attn.metrics": ("MaskedCrossentropy", "Perplexity", "TokenAccuracy"),
    "keras_attn.models": ("Ensemble", "Seq2Seq"),
    "keras_attn.text": ("SubwordCodec",),
    "keras_attn.training.loop.optimizer": ("FusedAdam",),
    "keras_attn.translator": ("Translator",),
}


def register_classes() -> None:
    """Registers the classes now, or as soon as Keras is imported."""
    if "keras" in sys.modules:
        _fill_registry(importlib.import_module("keras"))
    else:
        sys.meta_path.insert(0, _AfterKeras())


class _LazyClass:
    """A class's entry in Keras's registry, until the class itself replaces it."""

    def __init__(self, module: str, name: str):
        self._module, self._name = module, name

    def load(self) -> Any:
        """Imports the class and returns it."""
        return getattr(importlib.import_module(self._module), self._name)

    def from_config(self, config: dict[str, Any]) -> Any:
        """Returns the object of the class with this configuration, as Keras asks."""
        return self.load().from_config(config)


def _fill_registry(keras: ModuleType) -> None:
    registry = keras.saving.get_custom_objects()
    for module, names in REGISTERED.items():
        for name in names:
            # Some are there already when this package is reloaded.
            registry.setdefault(f"keras_attn>{name}", _LazyClass(module, name))


class _AfterKeras(importlib.abc.MetaPathFinder):
    """Fills the registry at the end of the import of Keras, then leaves the path."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != "keras":
            return None
        specs = (
            finder.find_spec(name, path, target)
            for finder in sys.meta_path
            # As Python does, passes over finders without the method.
            if finder is not self and hasattr(finder, "find_spec")
        )
        spec = next(filter(None, specs), None)
        if spec is not None and spec.loader is not None:
            loader: Any = spec.loader
            import_keras = loader.exec_module

            def exec_module(module: ModuleType) -> None:
                import_keras(module)
                if self in sys.meta_path:
                    sys.meta_path.remove(self)
                _fill_registry(module)

            loader.exec_module = exec_module
        return spec
