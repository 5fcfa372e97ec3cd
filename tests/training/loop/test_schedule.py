"""The plateau schedule against a walk by hand."""

import pytest

from keras_attn.training.loop.schedule import plateau_rate
from keras_attn.training.recipes import RecipeError, TrainingOptions


@pytest.mark.parametrize(
    ("losses", "falls"),
    [
        ([], 0),
        ([3.0], 0),
        ([3.0, 3.0], 0),  # as low is no progress, but one epoch is not two
        ([3.0, 3.0, 3.5], 1),
        ([3.0, 3.5, 2.9, 3.0], 0),
        ([3.0, 3.5, 3.5, 3.5], 1),
        ([3.0, 3.5, 3.5, 3.5, 3.5], 2),
        ([3.0, 3.5, 3.5, 2.0, 2.5, 2.5], 2),
    ],
)
def test_falls_after_each_two_epochs_without_progress(losses, falls):
    options = TrainingOptions(
        learning_rate=0.8, plateau_patience=2, plateau_factor=0.25, warmup_steps=4
    )
    assert plateau_rate(options, 99, losses) == pytest.approx(0.8 * 0.25**falls)
    assert plateau_rate(options, 0, losses) == pytest.approx(0.2 * 0.25**falls)


def test_training_must_be_more_patient_than_the_rate():
    with pytest.raises(RecipeError, match=r"patience=2, training\.plateau_patience=2"):
        TrainingOptions(schedule="plateau", patience=2, plateau_patience=2)
    TrainingOptions(schedule="plateau", patience=3, plateau_patience=2)
    TrainingOptions(schedule="cosine", patience=1, plateau_patience=1)
