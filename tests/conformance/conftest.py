import keras
import pytest


@pytest.fixture(autouse=True)
def same_start():
    """The same random numbers for each test, whatever ran before it."""
    keras.utils.set_random_seed(0)
    yield
    keras.config.set_dtype_policy("float32")
