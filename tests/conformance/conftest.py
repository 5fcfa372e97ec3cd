import keras
import pytest


@pytest.fixture(autouse=True)
def same_start():
    """The same random numbers for each test, whatever ran before it."""
    keras.utils.set_random_seed(0)
