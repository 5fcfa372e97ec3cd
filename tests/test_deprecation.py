"""Names of 0.1.0 that go on working, and say what they are called now."""

import keras
import numpy as np
import pytest
import tiny

from keras_attn import Attention
from keras_attn.decoding import score_targets
from keras_attn.models import Ensemble
from keras_attn.serving import ServingError


def test_methods_of_models():
    model = tiny.model()
    source = np.array([[5, 9, 3]])
    _, memory = model.encode(source)
    with pytest.deprecated_call(match=r"Seq2Seq\.at_place.*restrict_to_position"):
        model.at_place(memory, np.array([1], "int32"))
    with pytest.deprecated_call(match=r"Ensemble\.step_of_words.*shortlist_step"):
        Ensemble([model, tiny.model(seed=1)]).step_of_words(
            np.arange(4, 9, dtype="int32")
        )


def test_the_argument_of_forced_scoring():
    model = tiny.model()
    state, memory = model.encode(np.array([[5, 9, 3]]))
    options = {"target_ids": [[4, 3]], "target_lengths": [2], "start_id": tiny.START}
    with pytest.deprecated_call(match="at_place.*at_position"):
        old = score_targets(
            model.step, state, memory, at_place=model.restrict_to_position, **options
        )
    new = score_targets(
        model.step, state, memory, at_position=model.restrict_to_position, **options
    )
    np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (old[4], new[4])))


def test_an_align_function_that_overrides_the_old_hook():
    with pytest.deprecated_call(match="visible_weights.*merge_heads"):

        class Custom(Attention):
            def visible_weights(self, weights):
                return weights[:, 0]

    assert Custom.merge_heads is Custom.visible_weights


def test_an_attribute_of_serving_errors():
    error = ServingError("UNAVAILABLE", "details", model="m", target="localhost:1")
    with pytest.deprecated_call(match=r"ServingError\.found.*available"):
        assert error.found == error.available
