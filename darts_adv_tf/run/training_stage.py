"""The training of one stage: its steps, its checkpoints and what follows it."""

import dataclasses
import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import cast

import keras
import tensorflow as tf

from darts_adv_tf.config.config_file import versions
from darts_adv_tf.evaluation.evaluator import compile_segmenter
from darts_adv_tf.run.components import Run, make_batches
from darts_adv_tf.search_space.alpha import Architecture
from darts_adv_tf.training.adversarial_trainer import AdversarialTrainer
from darts_adv_tf.training.alpha_metrics import alpha_metrics
from darts_adv_tf.training.callbacks import Callback
from darts_adv_tf.training.callbacks.architecture_plots import ArchitecturePlots
from darts_adv_tf.training.callbacks.collapse import (
    GAME_METRICS,
    CollapseDetector,
    CollapseWarnings,
    Thresholds,
    search_metrics,
)
from darts_adv_tf.training.callbacks.epoch_log import AlphaLog, EpochLog
from darts_adv_tf.training.callbacks.evaluation import TestCurve, ValidationOverlays
from darts_adv_tf.training.callbacks.progress_bar import ProgressBar
from darts_adv_tf.training.callbacks.tensorboard import TensorBoard
from darts_adv_tf.training.checkpoint import Checkpoints, folder_of
from darts_adv_tf.training.checkpoint_store import CheckpointStore
from darts_adv_tf.training.loop import NonFinitePolicy, SaveInterval, Step, TrainingLoop
from darts_adv_tf.training.metric_names import (
    ADVERSARIAL_LOSS,
    DISCRIMINATOR_LOSS,
    SEGMENTATION_LOSS,
    VALIDATION_LOSS,
)
from darts_adv_tf.training.search_trainer import SearchTrainer
from darts_adv_tf.training.segmentation_trainer import SegmentationTrainer

AnyTrainer = SearchTrainer | AdversarialTrainer | SegmentationTrainer

SHOWN_OF_DISCRIMINATOR = {
    "search": (DISCRIMINATOR_LOSS, VALIDATION_LOSS),
    "retrain": (ADVERSARIAL_LOSS, DISCRIMINATOR_LOSS),
}
"""By stage, the metrics on the progress line of training with a discriminator."""
SHORT_TRAINING = 200
"""Steps of retraining below which TensorFlow's graph optimizer costs more than it saves on a CPU.

In the search it costs half a minute and a gigabyte for no gain, since that graph is made of few
calls of shared functions.
"""


def search_step(run: Run, trainer: SearchTrainer) -> Step:
    """Returns the steps of Alg. 1: weights on a batch of train, alpha on one of val.

    With --compare_gradient_every, some of them also compare the second-order parts.
    """
    compare_every = run.config.training.compare_gradient_every
    train, val = (make_batches(run, cases) for cases in (run.split.train, run.split.val))
    architecture, cells = trainer.architecture, run.config.model.cell_kinds

    def step(number: int) -> Mapping[str, float]:
        train_batch, val_batch = train(number), val(number)
        comparison: dict[str, float] = {}
        if compare_every and number % compare_every == 0:
            comparison = trainer.compare_second_order(train_batch, val_batch)
            # It changes nothing, so that it is no reason to leave out the step.
            comparison = {key: value for key, value in comparison.items() if math.isfinite(value)}
        metrics = trainer.step(train_batch, val_batch)
        alpha = alpha_metrics(architecture.op_weights(), architecture.space, cells)
        return metrics | comparison | alpha

    return step


def retrain_step(run: Run, trainer: AdversarialTrainer | SegmentationTrainer) -> Step:
    """Returns the steps of retraining, on batches of all training cases."""
    batches = make_batches(run, run.split.train_and_val)
    return lambda number: trainer.step(batches(number))


def train_stage(stage: str, run: Run, step: Step, trainer: AnyTrainer) -> None:
    """Makes the steps of a stage that are not done yet.

    Args:
        stage: `search` or `retrain`.
        run: Its parts.
        step: Makes one step.
        trainer: Holds all that the steps train.
    """
    config = run.config
    epoch_ends = run.epoch_ends(stage)
    set_graph_optimizer(stage, epoch_ends[-1])
    is_chief = run.devices.is_chief
    store = CheckpointStore(folder_of(run.workdir, stage), config.reliability.keep_checkpoints)
    if is_chief:
        store.remove_unfinished()
    identity = {
        "phase": stage,
        "config": config.fixed_settings(),
        "data": run.dataset.fingerprint(),
        "split": hashlib.sha256(repr(run.split).encode()).hexdigest(),
    }
    upgrades = {"config": config.settings_it_goes_on_from}
    with Checkpoints(store, trainer.parts, identity, is_chief, upgrades=upgrades) as checkpoints:
        TrainingLoop(
            stage,
            step,
            epoch_ends,
            checkpoints,
            make_callbacks(stage, run, trainer),
            interval=SaveInterval(*config.reliability.checkpoint_every),
            on_nonfinite=cast(NonFinitePolicy, config.reliability.on_nonfinite),
            gather=run.devices.gather,
            versions=versions(),
        ).run()


def make_callbacks(stage: str, run: Run, trainer: AnyTrainer) -> list[Callback]:
    """Returns what follows a stage: those that measure first, then those that write and show."""
    shown = [SEGMENTATION_LOSS]
    if "discriminator" in trainer.parts:
        shown += SHOWN_OF_DISCRIMINATOR[stage]
    warnings, progress_bar = _collapse_warnings(stage, run, trainer), ProgressBar(stage, shown)
    if not run.devices.is_chief:
        return [warnings, progress_bar]
    tensorboard = TensorBoard(run.workdir, stage)
    callbacks = _evaluations(stage, run, trainer.parts["segmenter"], tensorboard)
    callbacks.append(EpochLog(run.workdir, stage))
    if isinstance(trainer, SearchTrainer):
        callbacks += _architecture_callbacks(run, trainer.architecture, tensorboard)
    return [*callbacks, warnings, tensorboard, progress_bar]


def _evaluations(
    stage: str, run: Run, segmenter: keras.Model, tensorboard: TensorBoard
) -> list[Callback]:
    training, num_epochs = run.config.training, len(run.epoch_ends(stage))
    predict = compile_segmenter(segmenter)
    overlays = ValidationOverlays(
        predict,
        run.dataset,
        run.split.val,
        training.plot_every,
        num_epochs,
        # Retraining trains on the validation half too.
        trains_on_cases=stage == "retrain",
        tensorboard=tensorboard,
    )
    if stage == "search":
        return [overlays]
    test_curve = TestCurve(predict, run.dataset, run.split.test, training.test_every, num_epochs)
    return [test_curve, overlays]


def _architecture_callbacks(
    run: Run, architecture: Architecture, tensorboard: TensorBoard
) -> list[Callback]:
    cells = run.config.model.cell_kinds
    return [
        AlphaLog(run.workdir, architecture.op_weights, architecture.space, cells),
        ArchitecturePlots(
            architecture,
            cells,
            tensorboard,
            run.config.training.plot_every,
            len(run.epoch_ends("search")),
        ),
    ]


def _collapse_warnings(stage: str, run: Run, trainer: AnyTrainer) -> CollapseWarnings:
    model, settings = run.config.model, dataclasses.asdict(run.config.collapse)
    thresholds = Thresholds(
        **{name.removeprefix("collapse_"): value for name, value in settings.items()}
    )
    required: Sequence[str] = ()
    if stage == "search":
        required = search_metrics(model.search_space, model.cell_kinds)
    elif "discriminator" in trainer.parts:
        required = GAME_METRICS
    num_steps = run.epoch_ends(stage)[-1]
    detector = CollapseDetector(thresholds, num_steps, model.search_space.largest_entropy)
    return CollapseWarnings(detector, required)


def set_graph_optimizer(stage: str, num_steps: int) -> None:
    """Leaves TensorFlow's graph optimizer out where it does not pay, see `SHORT_TRAINING`."""
    is_costly = stage == "search" or num_steps < SHORT_TRAINING
    is_disabled = is_costly and not tf.config.list_physical_devices("GPU")
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": is_disabled})
