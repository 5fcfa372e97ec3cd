"""A plain decoder with as many parameters as the one with attention."""

import dataclasses
import functools

from keras_attn.training.recipes import Recipe, RecipeError

__all__ = ["count_parameters", "plain_recipe"]


def count_parameters(recipe: Recipe) -> int:
    """Returns the parameters of a recipe's model, its vocabulary of full size."""
    from keras_attn import Seq2Seq, Seq2SeqConfig

    size = recipe.text.vocabulary_size
    config = Seq2SeqConfig(
        source_vocabulary_size=size,
        target_vocabulary_size=size,
        **dataclasses.asdict(recipe.model),
    )
    return Seq2Seq(config).count_params()


def plain_recipe(recipe: Recipe) -> Recipe:
    """Returns the recipe without attention and with the same parameter budget.

    What attention's own weights cost goes into the width of the plain decoder's
    state, the vector that it depends on. All else stays as it is.

    Args:
        recipe: With attention.

    Returns:
        The recipe with `model.attention` none and the `model.decoder_units` whose
        number of parameters is the nearest; a unit more or less is the error.

    Raises:
        RecipeError: If the recipe has no attention.
    """
    if recipe.model.attention is None:
        raise RecipeError(
            "The comparison is between a model with attention and one without. "
            "Received: model.attention=none. Leave it out."
        )
    wanted = count_parameters(recipe)

    def widened(units: int) -> Recipe:
        return recipe.override(["model.attention=none", f"model.decoder_units={units}"])

    @functools.cache
    def count(units: int) -> int:
        return count_parameters(widened(units))

    # Newton's steps on a curve that is nearly straight: two or three arrive.
    units, step = recipe.model.decoder_units, 1
    while step:
        slope = count(units + 1) - count(units)
        step = round((wanted - count(units)) / slope)
        units += step
    return widened(units)
