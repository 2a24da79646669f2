"""The fit loop: Keras' own, with a state on disk that a killed run goes on from."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mbhelpers.training.devices import half_precision
from mbhelpers.training.fused_norm import flat_layers, fused_batch_norm
from mbhelpers.training.optimizers import make_optimizer
from mbhelpers.training.recipes import Recipe

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

STATE = "training_state.npz"


def train(
    model: "keras.Model",
    data: Callable[[int], tuple["tf.data.Dataset", "tf.data.Dataset | None"]],
    recipe: Recipe,
    folder: Path,
    *,
    steps: int,
    loss: Any,
    identity: dict[str, Any],
    metrics: Any = None,
    half: bool = False,
    watch: Callable[[], dict[str, float]] | None = None,
) -> list[dict[str, float]]:
    """Train any model; it ends with the weights of its best epoch. The caller compiles it anew, as it is to be saved.

    Args:
        model: of one output or several.
        data: of an epoch, the training batches from there to the end, and the validation batches or None.
        recipe: fitted.
        folder: where the state, the history and the logs go.
        steps: steps an epoch.
        loss: as Keras takes it.
        identity: what tells this run from others beside recipe and size, as plain data.
        metrics: as Keras takes them.
        half: compute in float16 what can be; for models of one output.
        watch: asked after every epoch, while the model has the averaged weights; what it tells joins the history.

    Returns:
        One dict an epoch: what Keras logs, learning_rate, seconds.

    Raises:
        ValueError: the loss is not finite, the devices can't share a batch equally, or the folder can't be written,
            has too little room, or holds the state of another run.
    """
    import keras

    from mbhelpers.training.keeper import Keeper

    replicas = model.distribute_strategy.num_replicas_in_sync
    if recipe.batch_size % replicas:
        raise ValueError(
            f"{replicas} devices can't share a batch of {recipe.batch_size} images equally; show TensorFlow one of "
            "them (CUDA_VISIBLE_DEVICES=0), or give the recipe another batch_size"
        )
    _set_batch_norm(model, recipe)
    identity = identity | {"recipe": recipe.to_json(), "parameters": model.count_params(), "half": half}
    with half_precision(model, half), fused_batch_norm(model):
        with model.distribute_strategy.scope():
            optimizer = make_optimizer(recipe, model)
            model.compile(
                optimizer=keras.optimizers.LossScaleOptimizer(optimizer) if half else optimizer,
                loss=loss,
                metrics=metrics,
                jit_compile=False,  # XLA makes depthwise training about ten times slower on a CPU
            )
        keeper = Keeper(model, recipe, folder / STATE, steps=steps, identity=identity, watch=watch)
        if not keeper.finished():
            training, validation = data(len(keeper.history))
            if len(model.outputs) > 1 and replicas == 1:
                _make_trackers(model, training)  # with several devices Keras does
            model.fit(
                training,
                validation_data=validation,
                epochs=recipe.epochs,
                initial_epoch=len(keeper.history),
                steps_per_epoch=steps,
                shuffle=False,  # the batches are shuffled already
                verbose=0,
                callbacks=[
                    keeper,
                    keras.callbacks.TensorBoard(str(folder / "tensorboard"), write_graph=False),
                    keras.callbacks.TerminateOnNaN(),
                ],
            )
            keeper.raise_if_broken()
    model.set_weights(keeper.best)
    return keeper.history


def check_monitor(recipe: Recipe, validated: bool) -> None:
    """Refuse a recipe that chooses the epoch by validation images which are not there."""
    if not validated and recipe.monitor != "none":
        raise ValueError(
            f"the recipe keeps the epoch of the best {recipe.monitor}; give validation images, or set "
            "its monitor to none"
        )


def discard_state(folder: Path) -> None:
    """Remove the state of a training run whose model has been saved."""
    (folder / STATE).unlink(missing_ok=True)


def _make_trackers(model: "keras.Model", batches: Any) -> None:
    """Give each output's loss its running mean now.

    Keras would make them while it traces the first step, and TensorFlow traces a function that makes variables twice:
    seconds, with a detector.
    """
    import keras
    import tensorflow as tf

    def one(like: Any) -> tf.Tensor:
        return tf.zeros([1, *like.shape[1:]], like.dtype)

    _, wanted, *_ = batches.element_spec
    model.compute_loss(y=keras.tree.map_structure(one, wanted), y_pred=keras.tree.map_structure(one, model.output))


def _set_batch_norm(model: "keras.Model", recipe: Recipe) -> None:
    import keras

    for layer in flat_layers(model):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = recipe.batch_norm_momentum
            if recipe.batch_norm == "freeze":
                layer.trainable = False
