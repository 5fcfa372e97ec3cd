"""The optimizer of training: Adam, its learning-rate schedules, accumulation, EMA."""

import math
from collections.abc import Sequence
from typing import Any

import keras

from keras_attn.training.recipes import TrainingOptions

__all__ = ["FusedAdam", "make_optimizer", "make_schedule", "plateau_rate"]

# Names of the variables that Keras's Adam creates.
_MOMENTS = ["momentum", "velocity"]


def make_optimizer(options: TrainingOptions, steps: int) -> "FusedAdam":
    """Returns the optimizer that the training section of a recipe describes.

    Args:
        options: Learning rate, schedule, clipping, accumulation, averages.
        steps: Number of batches until the schedule ends.
    """
    average = {}
    if options.ema_momentum is not None:
        average = {"use_ema": True, "ema_momentum": options.ema_momentum}
    accumulation_steps = options.gradient_accumulation_steps
    return FusedAdam(
        make_schedule(options, steps),
        # With a `weight_decay` this is AdamW. `None` saves the pass over all weights.
        weight_decay=options.weight_decay or None,
        global_clipnorm=options.clip_norm,
        # Keras takes `None` for "no accumulation", and refuses 1.
        gradient_accumulation_steps=(
            accumulation_steps if accumulation_steps > 1 else None
        ),
        **average,
    )


def make_schedule(options: TrainingOptions, steps: int) -> Any:
    """Returns the learning rate as a function of the step: linear warm-up, then decay.

    Args:
        options: Learning rate, warm-up and schedule.
        steps: Number of batches of the training, after which a cosine ends.

    Returns:
        What a Keras optimizer takes as learning rate. A plateau depends on validation
        losses, not on the step: there it is the peak as a number, and the training
        loop assigns `plateau_rate` before each step.
    """
    peak, warmup = options.learning_rate, options.warmup_steps
    if options.schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(
            0.0 if warmup else peak,
            decay_steps=max(steps - warmup, 1),
            alpha=options.final_learning_rate / peak,
            warmup_target=peak if warmup else None,
            warmup_steps=warmup,
        )
    if options.schedule == "plateau":
        return peak
    return _Warmup(peak, warmup, inverse_sqrt=options.schedule == "inverse_sqrt")


class _Warmup(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up, then a constant rate or decay with 1 / sqrt(step)."""

    def __init__(self, peak, warmup, inverse_sqrt):
        self.peak = peak
        self.warmup = max(warmup, 1)
        self.inverse_sqrt = inverse_sqrt

    def __call__(self, step):
        ops = keras.ops
        step = ops.cast(step, "float32") + 1
        rise = step / self.warmup
        decay = ops.sqrt(self.warmup / step) if self.inverse_sqrt else 1.0
        return self.peak * ops.minimum(rise, decay)

    def get_config(self) -> dict[str, Any]:
        return {
            "peak": self.peak,
            "warmup": self.warmup,
            "inverse_sqrt": self.inverse_sqrt,
        }


def plateau_rate(options: TrainingOptions, step: int, losses: Sequence[float]) -> float:
    """Returns the learning rate of the plateau schedule.

    It rises linearly over the warm-up. After `plateau_patience` epochs in a row without
    a new lowest validation loss it is multiplied by `plateau_factor`, and again after
    as many more.

    Args:
        options: Learning rate, warm-up and plateau.
        step: Number of batches before this one.
        losses: Validation loss of each epoch so far.

    Example:
    >>> options = TrainingOptions(learning_rate=0.1, plateau_patience=2)
    >>> plateau_rate(options, 50, [3.0, 2.0, 2.5, 2.1])
    0.05
    """
    rate = options.learning_rate * min((step + 1) / max(options.warmup_steps, 1), 1.0)
    lowest, epochs_without_progress = math.inf, 0
    for loss in losses:
        epochs_without_progress = 0 if loss < lowest else epochs_without_progress + 1
        lowest = min(lowest, loss)
        if epochs_without_progress == options.plateau_patience:
            rate *= options.plateau_factor
            epochs_without_progress = 0
    return rate


@keras.saving.register_keras_serializable(package="keras_attn")
class FusedAdam(keras.optimizers.Adam):
    """`keras.optimizers.Adam` with the same updates, faster on TensorFlow.

    Keras composes the update of a weight from a dozen operations, each of which reads
    and writes all of its elements. TensorFlow has one fused operation:

        m = m + (g - m) (1 - beta_1)
        v = v + (g^2 - v) (1 - beta_2)
        w = w - rate m / (sqrt(v) + epsilon)
        rate = learning_rate sqrt(1 - beta_2^t) / (1 - beta_1^t)

    Arguments are those of `keras.optimizers.Adam`. With `amsgrad`, and on other
    backends, the update is Keras's own.

    `global_clipnorm` limits the norm of the gradient of the whole batch, summed over
    replicas; Keras limits that of each replica. Where Keras accumulates gradients or
    scales the loss, it clips them itself.

    Example:

    >>> weight = keras.Variable([1.0, 2.0])
    >>> adam = FusedAdam(learning_rate=0.1)
    >>> adam.apply([keras.ops.array([0.5, -3.0])], [weight])
    >>> keras.ops.convert_to_numpy(weight).round(3).tolist()
    [0.8999999761581421, 2.0999999046325684]

    Reference: Kingma and Ba, 2015, arXiv:1412.6980, section 2 (its last paragraph).
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.batch_clipnorm = None  # what `apply` clips by, and Keras does not
        if (
            keras.backend.backend() == "tensorflow"
            and self.gradient_accumulation_steps is None
            and self.loss_scale_factor is None
        ):
            self.batch_clipnorm, self.global_clipnorm = self.global_clipnorm, None

    @property
    def averages(self):
        """Moving averages in the order of the weights; `None` without, or unbuilt."""
        # Public names for them differ between versions of Keras.
        return getattr(self, "_model_variables_moving_average", None) or None

    def get_config(self):
        config = super().get_config()
        if self.batch_clipnorm is not None:
            config["global_clipnorm"] = self.batch_clipnorm
        return config

    def build(self, variables):
        if self.built:
            return
        # Filled by `add_optimizer_variables`, which Keras's `build` calls.
        self.fused_indices, self.fused_moments = {}, []
        super().build(variables)

    def add_optimizer_variables(self, trainable_variables, name, initializer="zeros"):
        created = super().add_optimizer_variables(
            trainable_variables, name, initializer
        )
        if keras.backend.backend() == "tensorflow" and name == _MOMENTS:
            import tensorflow as tf

            strategy = tf.distribute.get_strategy()
            for variable, *moments in zip(trainable_variables, *created, strict=True):
                # `update_step` gets the variable of a replica.
                for local in strategy.experimental_local_results(variable.value):
                    self.fused_indices[local.ref()] = len(self.fused_moments)
                self.fused_moments.append(moments)
        return created

    def apply(self, grads, trainable_variables=None):
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            # A row that an embedding read several times has several gradients in a
            # sparse one, which the norm for clipping must count as their sum.
            grads = [None if g is None else tf.convert_to_tensor(g) for g in grads]
            if self.batch_clipnorm is not None:
                grads = _clip_by_batch_norm(grads, self.batch_clipnorm)
        super().apply(grads, trainable_variables)

    def update_step(self, gradient, variable, learning_rate):
        index = None
        if keras.backend.backend() == "tensorflow" and not self.amsgrad:
            index = self.fused_indices.get(variable.ref())
        if index is None:
            super().update_step(gradient, variable, learning_rate)
            return
        import tensorflow as tf

        momentum, velocity = self.fused_moments[index]
        dtype = variable.dtype
        step = tf.cast(self.iterations + 1, dtype)
        beta_1, beta_2 = (tf.cast(beta, dtype) for beta in (self.beta_1, self.beta_2))
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=momentum.value.handle,
            v=velocity.value.handle,
            beta1_power=tf.pow(beta_1, step),
            beta2_power=tf.pow(beta_2, step),
            lr=tf.cast(learning_rate, dtype),
            beta1=beta_1,
            beta2=beta_2,
            epsilon=tf.cast(self.epsilon, dtype),
            grad=tf.cast(gradient, dtype),
        )


def _clip_by_batch_norm(gradients, max_norm):
    """Scales a replica's gradients so that their sum over replicas has `max_norm`.

    Args:
        gradients: Dense tensors and `None`.
        max_norm: The largest global norm of that sum.
    """
    import tensorflow as tf

    total = [gradient for gradient in gradients if gradient is not None]
    replica = tf.distribute.get_replica_context()  # `None` outside of `run`
    if replica is not None and replica.num_replicas_in_sync > 1:
        total = replica.all_reduce(tf.distribute.ReduceOp.SUM, total)
    # `l2_loss` is half of a sum of squares, in one operation.
    halves = [tf.nn.l2_loss(tf.cast(gradient, "float32")) for gradient in total]
    norm = tf.sqrt(2.0 * tf.add_n(halves))
    scale = max_norm / tf.maximum(norm, max_norm)
    return [None if g is None else g * tf.cast(scale, g.dtype) for g in gradients]
