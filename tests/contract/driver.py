"""A process for the tests to kill: `driver.py fit FOLDER [--die-writing EPOCH]`, `driver.py cli ARGUMENT...`.

`cli` is the `mbhelpers` command with the thin backbone in MobileNet's place. `lives FOLDER RECIPE KILLS` trains in
processes of its own, kills each at a random moment but the last, and prints how often it killed. `mirrored FOLDER`
trains on one and on two virtual devices, and prints how far the results are apart.
"""

import json
import os
import random
import select
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from contract import test_fit, tiny
from mbhelpers.models import families
from mbhelpers.native import load_tensorflow


def run_fit(folder: Path, die_writing: int) -> None:
    """Train the long run of test_fit; die with half of the state of that epoch written."""
    import numpy as np

    written = 0
    savez = np.savez

    def dying(stream, **arrays):
        nonlocal written
        written += 1
        if written == die_writing:
            stream.write(b"half a file")
            stream.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        savez(stream, **arrays)

    np.savez = dying
    test_fit.train(folder, test_fit.LONG)


def run_lives(folder: Path, name: str, kills: int) -> None:
    """Train in one process after another; each goes on where the one before was killed, after a random step."""
    load_tensorflow()  # once: the processes fork from here
    moments, killed, steps = random.Random(name), 0, 0
    while killed <= kills:
        ready, started = os.pipe()
        process = os.fork()
        if process == 0:
            one_life(folder, name, started)
        os.close(started)
        ahead = moments.randint(1, 20) if killed < kills else 10**6
        made, stuck = 0, False
        while made < ahead and not stuck:
            stuck = not select.select([ready], [], [], 60)[0]  # a fork of TensorFlow may hang, and makes no step then
            if stuck or not os.read(ready, 1):
                break
            made += 1
        time.sleep(moments.uniform(0, 0.02))
        if killed < kills or stuck:
            os.kill(process, signal.SIGKILL)
        status = os.waitpid(process, 0)[1]
        os.close(ready)
        if not stuck and not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
            break
        killed, steps = killed + (not stuck), steps + made
    print(json.dumps({"kills": killed, "steps": steps + made}))


def one_life(folder: Path, name: str, started: int) -> None:
    """Train to the end, telling of every step; save what came out."""
    import numpy as np

    from mbhelpers.training.keeper import Keeper

    end = Keeper.on_train_batch_end

    def telling(self, batch, logs=None):
        os.write(started, b".")
        end(self, batch, logs)

    Keeper.on_train_batch_end = telling
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        history, model = test_fit.train(folder, test_fit.KILLED[name])
        np.savez(folder / "result.npz", *model.get_weights(), history=json.dumps(tiny.without_seconds(history)))
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


def run_mirrored(folder: Path) -> None:
    """Largest differences of weights and of losses between one device and two, with batch norm frozen and training."""
    load_tensorflow()
    from dataclasses import replace

    import numpy as np
    import tensorflow as tf

    [processor] = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategies = (tf.distribute.get_strategy(), tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
    found = {}
    for norm in ("freeze", "train"):
        recipe = replace(test_fit.RECIPE, batch_norm=norm, dropout=0.0, ema=0.9, optimizer="sgd", learning_rate=0.05)
        results = []
        for strategy in strategies:
            with strategy.scope():
                model = tiny.build()
            place = folder / f"{norm}-{strategy.num_replicas_in_sync}"
            history = test_fit.fit(model, test_fit.TRAINING, test_fit.VALIDATION, recipe, place, seed=1)
            results.append((model.get_weights(), [line["loss"] for line in history], history[-1]["val_accuracy"]))
        (one, losses, _), (two, others, right) = results
        found[norm] = {
            "weights": max(float(np.abs(a - b).max()) for a, b in zip(one, two, strict=True)),
            "loss": float(np.abs(np.subtract(losses, others)).max()),
            "val_accuracy": right,
        }
    print(json.dumps(found))


def run_mirrored_detector(folder: Path) -> None:
    """The losses of a thin detector after an epoch on one device and on two, and how far its weights then are apart."""
    load_tensorflow()
    from dataclasses import replace

    import numpy as np
    import tensorflow as tf

    from contract import test_ssd
    from mbhelpers.training.detector import fit_detector
    from mbhelpers.training.detector_recipes import DetectorRecipe

    [processor] = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
    recipe = replace(test_ssd.RECIPE, epochs=1, batch_norm="freeze", optimizer="sgd", weight_decay=0.01)
    results = []
    for strategy in (tf.distribute.get_strategy(), tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])):
        with strategy.scope():
            model = test_ssd.build()
        place = folder / str(strategy.num_replicas_in_sync)
        [line] = fit_detector(model, test_ssd.scenes(8, 1), None, DetectorRecipe(recipe), place, seed=3)
        results.append((model.get_weights(), line["loss"]))
    (one, loss, two, other) = (*results[0], *results[1])
    apart = max(float(np.abs(a - b).max()) for a, b in zip(one, two, strict=True))
    print(json.dumps({"losses": [loss, other], "weights": apart}))


if __name__ == "__main__":
    verb, *rest = sys.argv[1:]
    if verb == "fit":
        run_fit(Path(rest[0]), int(rest[2]) if len(rest) > 1 else 0)
    elif verb == "lives":
        run_lives(Path(rest[0]), rest[1], int(rest[2]))
    elif verb == "mirrored":
        run_mirrored(Path(rest[0]))
    elif verb == "mirrored_detector":
        run_mirrored_detector(Path(rest[0]))
    else:
        from mbhelpers import cli

        families.build_backbone = tiny.thin_backbone
        sys.argv[1:] = rest
        cli.main()
