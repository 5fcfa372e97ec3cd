"""The colours of weights: from white for 0 to dark blue for 1."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.colors import ListedColormap

__all__ = ["white_to_blue"]


@functools.cache
def white_to_blue() -> ListedColormap:
    """Returns colours from white to dark blue in even steps of lightness in Oklab.

    Reference: Ottosson, 2020, "A perceptual color space for image processing".
    """
    from matplotlib.colors import ListedColormap

    steps = np.linspace(0.0, 1.0, 256)
    chroma = 0.1 * steps + 0.11 * steps * (1 - steps) * 2  # most in the middle
    hue = np.deg2rad(256.0)
    oklab = [1 - 0.68 * steps, chroma * np.cos(hue), chroma * np.sin(hue)]
    return ListedColormap(_oklab_to_srgb(np.stack(oklab, axis=1)))


def _oklab_to_srgb(oklab):
    to_cone_roots = np.array(
        [
            [1.0, 0.3963377774, 0.2158037573],
            [1.0, -0.1055613458, -0.0638541728],
            [1.0, -0.0894841775, -1.2914855480],
        ]
    )
    to_linear = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear = np.clip((oklab @ to_cone_roots.T) ** 3 @ to_linear.T, 0.0, 1.0)
    curved = 1.055 * linear ** (1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, 12.92 * linear, curved)
