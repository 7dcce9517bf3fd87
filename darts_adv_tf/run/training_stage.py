"""The training of one stage: its steps, and its figures every few epochs."""

import dataclasses
import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import tensorflow as tf

from darts_adv_tf.config import RunConfig
from darts_adv_tf.config.config_file import versions
from darts_adv_tf.evaluation.evaluator import compile_segmenter, predict_labels
from darts_adv_tf.evaluation.metrics import confusion_matrix, iou, mean_over_present
from darts_adv_tf.plots.alpha_plot import draw_op_weights
from darts_adv_tf.plots.genotype_plot import draw_cell
from darts_adv_tf.plots.overlays import draw_overlays
from darts_adv_tf.run.components import Run, make_batches
from darts_adv_tf.search_space.alpha import Architecture
from darts_adv_tf.search_space.space import CELL_KINDS
from darts_adv_tf.training import metric_names
from darts_adv_tf.training.adversarial_trainer import AdversarialTrainer
from darts_adv_tf.training.checkpoint import Checkpoints, Part, folder_of
from darts_adv_tf.training.checkpoint_store import CheckpointStore
from darts_adv_tf.training.collapse import CollapseWatch, Thresholds
from darts_adv_tf.training.epoch_log import History
from darts_adv_tf.training.loop import NonFinitePolicy, SaveInterval, TrainingLoop
from darts_adv_tf.training.search_trainer import SearchTrainer
from darts_adv_tf.training.segmentation_trainer import SegmentationTrainer
from darts_adv_tf.training.tensorboard import Monitor

Step = Callable[[int], dict[str, float]]
"""Makes the step of the given number and returns its figures."""

SHORT_TRAINING = 200
"""Steps of retraining below which TensorFlow's graph optimizer costs more than it saves on a CPU.

In the search it costs half a minute and a gigabyte for no gain, since that graph is made of few
calls of shared functions.
"""
NUM_PICTURED_CASES = 3


def search_step(run: Run, trainer: SearchTrainer) -> Step:
    """Steps of Alg. 1 on a batch of each half of the training cases, compared where asked for."""
    compare_every = run.config.training.compare_gradient_every
    streams = [make_batches(run, cases) for cases in (run.split.train, run.split.val)]

    def step(number: int):
        batches = [batches(number) for batches in streams]
        comparison = {}
        if compare_every and number % compare_every == 0:
            comparison = trainer.compare_second_order(*batches)
            # It changes nothing, so that it is no reason to leave out the step.
            comparison = {key: value for key, value in comparison.items() if math.isfinite(value)}
        return trainer.step(*batches) | comparison | trainer.architecture.statistics()

    return step


def retrain_step(run: Run, trainer: AdversarialTrainer | SegmentationTrainer) -> Step:
    """Steps on a batch of all training cases."""
    batches = make_batches(run, run.split.train_and_val)
    return lambda number: trainer.step(batches(number))


def train_stage(
    stage: str, run: Run, step: Step, parts: Mapping[str, Part], shown: Sequence[str]
) -> None:
    """Makes the steps of a stage that a checkpoint does not hold, with figures every few epochs.

    Args:
        stage: `search` or `retrain`.
        run: Its parts.
        step: Makes one step.
        parts: What the steps train, for checkpoints; `segmenter` is one of them.
        shown: Figures of a step that the progress line shows.
    """
    config = run.config
    epoch_ends = run.epoch_ends(stage)
    set_graph_optimizer(stage, epoch_ends[-1])
    store = CheckpointStore(folder_of(run.workdir, stage), config.reliability.keep_checkpoints)
    if run.devices.is_chief:
        store.remove_unfinished()
    identity = {
        "phase": stage,
        "config": config.fixed_settings(),
        "data": run.dataset.fingerprint(),
        "split": hashlib.sha256(repr(run.split).encode()).hexdigest(),
    }
    with (
        Monitor(run.workdir, stage, run.devices.is_chief) as monitor,
        Checkpoints(
            store,
            parts,
            identity,
            run.devices.is_chief,
            upgrades={"config": config.settings_it_goes_on_from},
        ) as checkpoints,
    ):
        epochs = _Epochs(stage, run, parts, monitor)
        loop = TrainingLoop(
            stage,
            epochs.history.following(step),
            epoch_ends,
            epochs.end,
            monitor,
            checkpoints,
            SaveInterval(*config.reliability.checkpoint_every),
            CollapseWatch(
                _thresholds(config), epoch_ends[-1], config.model.search_space.largest_entropy
            ),
            shown,
            cast(NonFinitePolicy, config.reliability.on_nonfinite),
            run.devices.gather,
            notes={"versions": versions()},
        )
        loop.run()


class _Epochs:
    """What is measured and drawn as epochs end.

    Args:
        stage: `search` or `retrain`.
        run: Its parts.
        parts: What is trained.
        monitor: Takes scalars and pictures.
    """

    def __init__(self, stage: str, run: Run, parts: Mapping[str, Part], monitor: Monitor):
        self.history = History(Path(run.workdir), stage)
        self._stage = stage
        self._run = run
        self._architecture = cast("Architecture | None", parts.get("architecture"))
        self._monitor = monitor
        self._predict = compile_segmenter(parts["segmenter"])
        self._num_epochs = len(run.epoch_ends(stage))

    def end(self, epoch: int, done: int) -> dict[str, float]:
        """Ends an epoch after `done` steps of the stage; returns figures for the progress line."""
        if not self._run.devices.is_chief:
            return {}
        training = self._run.config.training
        test_figures = {}
        try:
            if self._stage == "retrain" and self._is_due(training.test_every, epoch):
                test_figures = self._test_figures()
                self._monitor.scalars(done, test_figures)
        finally:
            # An epoch after which the segmenter predicts nothing has a row too.
            self.history.end_epoch(epoch, test_figures)
        if self._architecture is not None:
            space = self._architecture.space
            self.history.record_alpha(epoch, self._architecture.op_weights(), space)
        if not self._is_due(training.plot_every, epoch):
            return {}
        if self._architecture is not None:
            self._draw_architecture(self._architecture, done)
        figures = self._draw_overlays(done)
        self._monitor.flush()
        return figures

    def _is_due(self, every: int, epoch: int) -> bool:
        return every > 0 and (epoch == self._num_epochs or epoch % every == 0)

    def _test_figures(self) -> dict[str, float]:
        """How the test cases fare at this moment, for curves: nothing is decided by it."""
        values = iou(self._confusion(list(self._run.split.test))[0])
        return {
            metric_names.TEST_MEAN_IOU: float(mean_over_present(values)),
            metric_names.TEST_MEAN_IOU_ORGANS: float(mean_over_present(values[1:])),
        }

    def _draw_architecture(self, architecture: Architecture, done: int) -> None:
        genotype, space = architecture.derive(), architecture.space
        for name, op_weights in zip(CELL_KINDS, architecture.op_weights(), strict=True):
            title = f"{name} cell after step {done}"
            self._monitor.picture(done, f"alpha/{name}", draw_op_weights(op_weights, space, title))
            cell = getattr(genotype, name)
            self._monitor.picture(done, f"genotype/{name}", draw_cell(cell, title))

    def _draw_overlays(self, done: int) -> dict[str, float]:
        """Overlays of a few cases of the validation half; the mean IoU of all of it, returned."""
        # Retraining trains on the validation half too, where a figure would mislead.
        name = "val" if self._stage == "search" else "train"
        dataset, val = self._run.dataset, list(self._run.split.val)
        confusion, predictions = self._confusion(val)
        metric = metric_names.VAL_MEAN_IOU if name == "val" else metric_names.TRAIN_MEAN_IOU
        figures = {metric: float(mean_over_present(iou(confusion)))}
        self._monitor.scalars(done, figures)
        few = val[:NUM_PICTURED_CASES]
        picture = draw_overlays(
            dataset.images[few],
            dataset.labels[few],
            predictions[: len(few)],
            [dataset.cases[index] for index in few],
            dataset.class_names,
        )
        self._monitor.picture(done, f"{name}/overlays", picture)
        return figures

    def _confusion(self, indices: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Pooled over the cases, and what was predicted for them."""
        dataset = self._run.dataset
        predictions = predict_labels(self._predict, dataset.images[indices])
        labels = dataset.labels[indices]
        return confusion_matrix(labels, predictions, len(dataset.class_names)), predictions


def _thresholds(config: RunConfig) -> Thresholds:
    values = dataclasses.asdict(config.collapse)
    return Thresholds(**{key.removeprefix("collapse_"): value for key, value in values.items()})


def set_graph_optimizer(stage: str, num_steps: int) -> None:
    """Leaves TensorFlow's graph optimizer out where it does not pay, see `SHORT_TRAINING`."""
    is_costly = stage == "search" or num_steps < SHORT_TRAINING
    is_disabled = is_costly and not tf.config.list_physical_devices("GPU")
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": is_disabled})
