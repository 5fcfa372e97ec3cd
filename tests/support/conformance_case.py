"""A case of the conformance list: how a layer is created, called, padded and masked.

A case describes its call arguments as text, `"float BSM"`: the kind of array and its
axes by the letters of docs/shapes.md. The rest follows from that: the arrays, sources
with longer padding, the unknown axes of a functional model.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import keras
import layer_tools
import numpy as np

SIZES = {"B": 3, "S": 5, "T": 4, "E": 2, "M": 6, "Q": 4, "A": 8, "V": 11}
LENGTHS = np.array([[5], [3], [1]])  # real tokens of the three sources
UNKNOWN = "BST"  # axes that a model knows only when it is called
EXTRA_PADDING = 2  # columns

# float: any number; its content at padding must not matter
# ids: word ids; their content at padding must not matter, a mask is passed
# padded: word ids, 0 at padding; the mask is read off them
# mask: True for a real token
# weights: attention weights of earlier steps: nonnegative, 0 at padding
KINDS = ("float", "ids", "padded", "mask", "weights")


def identity(layer):
    return layer


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """A layer and what holds for it."""

    name: str
    layer: Callable[[], Any]
    inputs: dict[str, str]  # call argument: kind and axes
    # From the layer to one whose arguments and results are plain tensors.
    wrap: Callable[[Any], Any] = identity
    # Indices of the outputs that are attention weights over S.
    attention_outputs: tuple[int, ...] = ()
    sums_to_one: bool = True  # those weights, over real tokens; False: to at most 1
    # Indices of the outputs that are zeros for a source of padding only.
    zero_outputs: tuple[int, ...] = ()
    # The layer with dropout or noise in training.
    layer_with_dropout: Callable[[], Any] | None = None
    has_weights: bool = True
    learns: bool = True  # by gradients, when called as here
    options: dict[str, Any] = dataclasses.field(default_factory=dict)  # of each call

    def create(self, with_dropout=False):
        return self.wrap((self.layer_with_dropout if with_dropout else self.layer)())

    def create_randomised(self, with_dropout=False):
        """The layer with random weights, large enough that every part matters."""
        return layer_tools.randomise(self.create_weights(self.create(with_dropout)))

    def create_weights(self, layer):
        """Returns `layer`, or a model with the same call, after a first call."""
        # Symbolic inputs are enough to create the weights, and on JAX much faster.
        symbolic = layer_tools.BACKEND == "jax"
        self.call(layer, self.symbols(unknown=False) if symbolic else self.arrays())
        return layer

    @functools.cached_property
    def shared(self):
        """One randomised layer for all tests that do not change it."""
        return self.create_randomised()

    @functools.cached_property
    def run(self):
        """From call arguments to all results of the shared layer, as NumPy."""
        layer = self.shared
        run = layer_tools.quick(lambda inputs: self.call(layer, inputs))
        return lambda inputs: layer_tools.arrays(run(inputs))

    @functools.cached_property
    def gradients(self):
        """From call arguments to the gradients of the shared layer's weights."""
        layer = self.shared
        return layer_tools.gradients_of(layer, lambda inputs: self.call(layer, inputs))

    def call(self, layer, inputs, **options):
        options = {**self.options, **options}
        if isinstance(layer, keras.Model):  # models take their inputs as one structure
            return layer(inputs, **options)
        return layer(**inputs, **options)

    def spec(self, name):
        kind, axes = self.inputs[name].split()
        if kind not in KINDS:
            raise ValueError(f"Unknown kind {kind!r} of {name!r} in {self.name!r}.")
        return kind, axes

    def arrays(self, seed=0):
        """The call arguments, the same at every call."""
        generator = np.random.default_rng(seed)
        return {name: _draw(*self.spec(name), generator) for name in self.inputs}

    def symbols(self, unknown):
        """The call arguments as `keras.Input`s, of all sizes unknown or known."""
        inputs = {}
        for name, value in self.arrays().items():
            _, axes = self.spec(name)
            shape = [
                None if unknown and letter in UNKNOWN else size
                for letter, size in zip(axes, value.shape, strict=True)
            ]
            inputs[name] = keras.Input(
                batch_shape=shape, dtype=value.dtype.name, name=name
            )
        return inputs

    @property
    def has_source_mask(self):
        """Whether the case knows what is padding in its source."""
        return any(self.spec(name)[0] in ("mask", "padded") for name in self.inputs)

    def with_longer_padding(self, inputs):
        """The same sources with more padding, and random values at padding."""
        generator = np.random.default_rng(7)
        padded = {}
        for name, value in inputs.items():
            kind, axes = self.spec(name)
            if "S" not in axes:
                padded[name] = value
                continue
            widths = [(0, EXTRA_PADDING if letter == "S" else 0) for letter in axes]
            wide = np.pad(value, widths)
            if kind in ("float", "ids"):
                junk = _junk(kind, wide.shape, generator)
                wide = np.where(_real(axes, wide.shape), wide, junk)
            padded[name] = wide.astype(value.dtype)
        return padded

    def with_empty_source(self, inputs, row):
        """The batch with a source of padding alone in `row`."""
        changed = {name: value.copy() for name, value in inputs.items()}
        for name in changed:
            if self.spec(name)[0] in ("mask", "padded", "weights"):
                changed[name][row] = 0
        return changed


def _draw(kind, axes, generator):
    shape = tuple(SIZES[letter] for letter in axes)
    if kind == "mask":
        return np.arange(SIZES["S"]) < LENGTHS
    if kind == "float":
        return generator.normal(size=shape).astype("float32")
    if kind == "weights":
        weights = generator.uniform(size=shape) * _real(axes, shape)
        return (weights / weights.sum(axis=-1, keepdims=True)).astype("float32")
    ids = generator.integers(1, SIZES["V"], size=shape).astype("int32")
    if kind == "padded" and "S" in axes:
        ids *= np.arange(SIZES["S"]) < LENGTHS
    return ids


def _junk(kind, shape, generator):
    if kind == "ids":
        return generator.integers(0, SIZES["V"], size=shape)
    return 1e3 * generator.normal(size=shape)


def _real(axes, shape):
    """True at real tokens, beside an array with axes B and S and others."""
    at = axes.index("S")
    real = np.arange(shape[at]) < LENGTHS
    return real.reshape([size if i in (0, at) else 1 for i, size in enumerate(shape)])
