"""Adam whose update is one operation for each weight on TensorFlow."""

import keras

__all__ = ["FusedAdam"]


@keras.saving.register_keras_serializable(package="keras_attn")
class FusedAdam(keras.optimizers.Adam):
    """`keras.optimizers.Adam`, faster on TensorFlow, with the same updates.

    Keras composes the update of a weight from a dozen operations, each of which goes
    over all numbers; TensorFlow has it in one:

        m = m + (g - m) (1 - beta_1)
        v = v + (g^2 - v) (1 - beta_2)
        w = w - rate m / (sqrt(v) + epsilon)
        rate = learning_rate sqrt(1 - beta_2^t) / (1 - beta_1^t)

    and the norm of all gradients together takes one pass over each instead of two.

    Arguments are those of `keras.optimizers.Adam`. With `amsgrad`, and on other
    backends, the update is Keras's own.

    Example:

    >>> weight = keras.Variable([1.0, 2.0])
    >>> adam = FusedAdam(learning_rate=0.1)
    >>> adam.apply([keras.ops.array([0.5, -3.0])], [weight])
    >>> keras.ops.convert_to_numpy(weight).round(3).tolist()
    [0.8999999761581421, 2.0999999046325684]

    Reference: Kingma and Ba, 2015, arXiv:1412.6980, section 2 (its last paragraph).
    """

    def _clip_gradients(self, grads):
        # Where Keras clips: with gradient accumulation, the mean of what was collected.
        only_globally = self.global_clipnorm and not self.clipnorm
        if only_globally and keras.backend.backend() == "tensorflow":
            return _clip_by_global_norm(grads, self.global_clipnorm)
        return super()._clip_gradients(grads)

    def update_step(self, gradient, variable, learning_rate):
        if self.amsgrad or keras.backend.backend() != "tensorflow":
            super().update_step(gradient, variable, learning_rate)
            return
        import tensorflow as tf

        dtype = variable.dtype
        index = self._get_variable_index(variable)
        step = tf.cast(keras.ops.convert_to_tensor(self.iterations) + 1, dtype)
        beta_1, beta_2 = (tf.cast(each, dtype) for each in (self.beta_1, self.beta_2))
        tf.raw_ops.ResourceApplyAdam(
            var=_handle(variable),
            m=_handle(self._momentums[index]),
            v=_handle(self._velocities[index]),
            beta1_power=tf.pow(beta_1, step),
            beta2_power=tf.pow(beta_2, step),
            lr=tf.cast(learning_rate, dtype),
            beta1=beta_1,
            beta2=beta_2,
            epsilon=tf.cast(self.epsilon, dtype),
            grad=tf.cast(gradient, dtype),
        )


def _handle(variable):
    # Keras hands over its own variables or TensorFlow's, depending on who asks.
    if isinstance(variable, keras.Variable):
        variable = variable.value
    return variable.handle


def _clip_by_global_norm(gradients, norm):
    """Scales all gradients so that their norm together is at most `norm`."""
    import tensorflow as tf

    dense = [None if each is None else tf.convert_to_tensor(each) for each in gradients]
    # Half of a sum of squares, in one operation.
    halves = [tf.nn.l2_loss(tf.cast(e, "float32")) for e in dense if e is not None]
    found = tf.sqrt(2.0 * tf.add_n(halves))
    scale = norm / tf.maximum(found, norm)
    return [
        None if each is None else each * tf.cast(scale, each.dtype) for each in dense
    ]
