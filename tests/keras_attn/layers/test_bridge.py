import layer_tools
import numpy as np
import pytest
import reference

from keras_attn import Bridge

SUMMARY = np.random.default_rng(0).normal(size=(3, 6)).astype("float32")


def test_equals_the_formula():
    bridge = Bridge([4, 2])
    bridge(SUMMARY)
    layer_tools.randomise(bridge)
    for each, states in zip(bridge.maps, bridge(SUMMARY), strict=True):
        want = [reference.dense_tanh(each, row) for row in np.float64(SUMMARY)]
        # float32 against float64 over sums of 6 terms.
        np.testing.assert_allclose(states, want, rtol=1e-5, atol=1e-6)
    layer_tools.check_gradients(bridge, lambda: bridge(SUMMARY))


def test_config_survives_json():
    bridge = Bridge([4, 2], name="start")
    assert layer_tools.through_json(bridge).get_config() == bridge.get_config()


@pytest.mark.parametrize("sizes", [[0], [4, 2.5], [4, None]])
def test_refuses(sizes):
    with pytest.raises(ValueError, match=f"positive integer.*={sizes[-1]!r}"):
        Bridge(sizes)
