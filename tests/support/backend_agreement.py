"""One tiny training run whose losses are the same on all backends.

Weights and data come from NumPy, without dropout or shuffling: backends differ only in
the order of float32 sums.
"""

import keras
import layer_tools
import numpy as np
import tiny

from keras_attn.metrics import MaskedCrossentropy

UPDATES = 20
OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.5),
    "adam": lambda: keras.optimizers.Adam(0.01),
}


def losses(optimizer):
    """The loss before each of the updates, as Python floats."""
    model = tiny.model(cell="lstm", tie_embeddings=False)
    generator = np.random.default_rng(11)
    # By path, which does not depend on the order in which weights were made.
    for weight in sorted(model.trainable_weights, key=lambda each: each.path):
        scale = 1.0 if weight.path.endswith("table") else 0.3
        weight.assign(generator.normal(scale=scale, size=weight.shape))
    model.compile(OPTIMIZERS[optimizer](), MaskedCrossentropy())
    inputs, labels = tiny.copy_task(tiny.ids(16, 6, seed=3))
    found = model.fit(
        inputs, labels, batch_size=16, epochs=UPDATES, shuffle=False, verbose=0
    )
    return [float(loss) for loss in found.history["loss"]]


def versions():
    """Of what computed the losses."""
    names = {"tensorflow": "tensorflow", "jax": "jax", "torch": "torch"}
    from importlib.metadata import version

    backend = layer_tools.BACKEND
    packages = ["keras", "numpy", names[backend]]
    return {"backend": backend, **{name: version(name) for name in packages}}
