"""How one layer of the conformance list is made, called, padded and masked.

A case says its call arguments as text, `"float BSM"`: what the array holds and its axes
by the letters of docs/shapes.md. All else follows from that: the arrays, what a longer
source looks like, which axes a functional model leaves unknown.
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
MORE = 2  # columns of padding that make a source longer

# float: any number; its content at padding must not matter
# ids: word ids; their content at padding must not matter, a mask is passed
# padded: word ids, 0 at padding; the mask is read off them
# mask: True for a real token
# looked: attention of earlier steps: nonnegative, 0 at padding
KINDS = ("float", "ids", "padded", "mask", "looked")


def same(layer):
    return layer


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """A layer and what holds for it."""

    name: str
    layer: Callable[[], Any]
    inputs: dict[str, str]  # call argument: kind and axes
    # From the layer to one whose arguments and results are plain tensors.
    around: Callable[[Any], Any] = same
    looks: tuple[int, ...] = ()  # results that are attention weights over S
    sums_to_one: bool = True  # those weights, over real tokens; False: to at most 1
    silent: tuple[int, ...] = ()  # results that are zeros for a source of padding alone
    noisy: Callable[[], Any] | None = None  # the layer with dropout or noise
    has_weights: bool = True
    learns: bool = True  # by gradients, when called as here
    options: dict[str, Any] = dataclasses.field(default_factory=dict)  # of each call

    def make(self, noisy=False):
        return self.around((self.noisy if noisy else self.layer)())

    def made(self, noisy=False):
        """The layer with random weights of a size that every part shows."""
        return layer_tools.randomise(self.built(self.make(noisy)))

    def built(self, layer):
        """`layer`, or a model that is called alike, with its weights made."""
        # Symbols make the weights as well as numbers do, and on JAX much sooner.
        symbolic = layer_tools.BACKEND == "jax"
        self.call(layer, self.symbols(unknown=False) if symbolic else self.arrays())
        return layer

    @functools.cached_property
    def shared(self):
        """That layer for all tests which leave it as it is: it remembers nothing."""
        return self.made()

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
    def reads_a_source(self):
        """Whether the case knows what is padding in its source."""
        return any(self.spec(name)[0] in ("mask", "padded") for name in self.inputs)

    def longer(self, inputs):
        """The same sources with more padding, and junk wherever junk is allowed."""
        generator = np.random.default_rng(7)
        changed = {}
        for name, value in inputs.items():
            kind, axes = self.spec(name)
            if "S" not in axes:  # else the second axis
                changed[name] = value
                continue
            wide = np.pad(value, [(0, 0), (0, MORE), *[(0, 0)] * (value.ndim - 2)])
            if kind in ("float", "ids"):
                junk = _junk(kind, wide.shape, generator)
                wide = np.where(_real(wide.shape), wide, junk)
            changed[name] = wide.astype(value.dtype)
        return changed

    def without_source(self, inputs, row):
        """The batch with a source of padding alone in `row`."""
        changed = {name: value.copy() for name, value in inputs.items()}
        for name in changed:
            if self.spec(name)[0] in ("mask", "padded", "looked"):
                changed[name][row] = 0
        return changed


def _draw(kind, axes, generator):
    shape = tuple(SIZES[letter] for letter in axes)
    if kind == "mask":
        return np.arange(SIZES["S"]) < LENGTHS
    if kind == "float":
        return generator.normal(size=shape).astype("float32")
    if kind == "looked":
        looked = generator.uniform(size=shape) * (np.arange(SIZES["S"]) < LENGTHS)
        return (looked / looked.sum(axis=-1, keepdims=True)).astype("float32")
    ids = generator.integers(1, SIZES["V"], size=shape).astype("int32")
    if kind == "padded" and "S" in axes:
        ids *= np.arange(SIZES["S"]) < LENGTHS
    return ids


def _junk(kind, shape, generator):
    if kind == "ids":
        return generator.integers(0, SIZES["V"], size=shape)
    return 1e3 * generator.normal(size=shape)


def _real(shape):
    """True at real tokens, beside an array `(B, S, ...)` of this shape."""
    real = np.arange(shape[1]) < LENGTHS
    return real.reshape(real.shape + (1,) * (len(shape) - 2))
