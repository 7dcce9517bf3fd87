"""The stages of a run: search and derive, retrain, evaluate, export."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import tensorflow as tf

from darts_adv_tf.builder import Builder
from darts_adv_tf.config_file import save_config
from darts_adv_tf.data.batches import batch_indices
from darts_adv_tf.data.split import CASES_FILE, write_cases_csv
from darts_adv_tf.evaluation import evaluate_segmenter, predict_labels
from darts_adv_tf.exporting import export_segmenter
from darts_adv_tf.genotype import Genotype, save_genotype
from darts_adv_tf.metrics import confusion_matrix, iou, mean_over_present
from darts_adv_tf.reporting.alpha_figure import draw_op_weights
from darts_adv_tf.reporting.genotype_figure import draw_cell, save_genotype_figures
from darts_adv_tf.reporting.overlays import draw_overlays
from darts_adv_tf.training.adversarial import AdversarialTrainer
from darts_adv_tf.training.checkpoint import Checkpoints, restore_segmenter
from darts_adv_tf.training.loop import run_epochs
from darts_adv_tf.training.monitor import Monitor
from darts_adv_tf.training.search import SearchTrainer
from darts_adv_tf.training.segmentation import SegmentationTrainer

Step = Callable[[int], dict[str, float]]
"""Makes the step of the given number and returns its figures."""

CHECKPOINT_SECONDS = 60
SHORT_TRAINING = 200
"""Steps of retraining below which TensorFlow's graph optimizer costs more than it saves on a CPU.

In the search it costs half a minute and a gigabyte for no gain, since that graph is made of few
calls of shared functions.
"""
NUM_PICTURED_CASES = 3
CELL_NAMES = ("normal", "reduction")


def begin(builder: Builder) -> None:
    """Reads the data, reports its repairs, and writes config.json and cases.csv."""
    introduce(builder)
    config = builder.config
    write_cases_csv(Path(config.workdir) / CASES_FILE, builder.dataset, builder.split)
    save_config(config, config.workdir)


def introduce(builder: Builder) -> None:
    """Reads the data, reports its repairs, and says how it is split and on which devices."""
    dataset, split = builder.dataset, builder.split
    for line in dataset.repairs:
        print(f"data: {line}")
    devices = builder.strategy.extended.worker_devices
    print("devices:", ", ".join(device.rpartition("device:")[-1] for device in devices))
    print(
        f"data: {len(dataset.cases)} cases of {dataset.name}, {len(split.train)} train, "
        f"{len(split.val)} val, {len(split.test)} test"
    )


def search(builder: Builder) -> Genotype:
    """Alg. 1: searches alpha on the halves of the training cases, then derives the genotype.

    Writes genotype.json and the drawings of both cells.
    """
    config = builder.config
    trainer = builder.make_search_trainer()
    checkpoints = Checkpoints(
        config.workdir,
        "search",
        segmenter=trainer.game.segmenter,
        discriminator=trainer.game.discriminator,
        architecture=trainer.architecture,
        segmenter_optimizer=trainer.segmenter_optimizer,
        discriminator_optimizer=trainer.discriminator_optimizer,
        architecture_optimizer=trainer.architecture_optimizer,
    )
    with Monitor(config.workdir, "search") as monitor:

        def draw(done: int):
            _draw_architecture(monitor, done, trainer.architecture)

        _train(
            "search",
            builder,
            search_step(builder, trainer),
            trainer.game.segmenter,
            checkpoints,
            monitor,
            shown=("loss/segmentation", "loss/discriminator", "loss/validation"),
            draw=draw,
        )
    genotype = trainer.architecture.derive()
    save_genotype(genotype, Path(config.workdir) / "genotype.json")
    save_genotype_figures(genotype, config.workdir)
    return genotype


def retrain(builder: Builder, genotype: Genotype | None) -> keras.Model:
    """Trains a fresh segmenter on all training cases against the derived discriminator, or alone.

    Returns:
        The segmenter of the last epoch: the test cases select nothing.
    """
    config = builder.config
    trainer = builder.make_trainer(genotype)
    parts = {"segmenter_optimizer": trainer.segmenter_optimizer}
    if genotype is None:
        segmenter, shown = trainer.segmenter, ("loss/segmentation",)
    else:
        segmenter = trainer.game.segmenter
        shown = ("loss/segmentation", "loss/adversarial", "loss/discriminator")
        parts["discriminator"] = trainer.game.discriminator
        parts["discriminator_optimizer"] = trainer.discriminator_optimizer
    checkpoints = Checkpoints(config.workdir, "retrain", segmenter=segmenter, **parts)

    step = retrain_step(builder, trainer)
    with Monitor(config.workdir, "retrain") as monitor:
        _train("retrain", builder, step, segmenter, checkpoints, monitor, shown)
    return segmenter


def search_step(builder: Builder, trainer: SearchTrainer) -> Step:
    """Steps of Alg. 1 on a batch of each half of the training cases, compared where asked for."""
    config, split = builder.config, builder.split
    batch_size = config.training.batch_size
    compare_every = config.training.compare_gradient_every

    def step(number: int):
        batches = [
            batch_indices(cases, batch_size, config.seed, number)
            for cases in (split.train, split.val)
        ]
        comparison = {}
        if compare_every and number % compare_every == 0:
            comparison = trainer.compare_second_order(*batches)
        return trainer.step(*batches) | comparison | trainer.architecture.statistics()

    return step


def retrain_step(builder: Builder, trainer: AdversarialTrainer | SegmentationTrainer) -> Step:
    """Steps on a batch of all training cases."""
    config, cases = builder.config, builder.split.training
    batch_size = config.training.batch_size

    def step(number: int):
        return trainer.step(batch_indices(cases, batch_size, config.seed, number))

    return step


def restored_segmenter(builder: Builder) -> keras.Model:
    """The segmenter of a finished run, with the cases split as they were then."""
    segmenter = builder.make_segmenter()
    num_steps = max(builder.epoch_ends("retrain"), default=0)
    restore_segmenter(builder.config.workdir, segmenter, num_steps)
    return segmenter


def evaluate(builder: Builder, segmenter: keras.Model) -> dict:
    """Writes metrics.json, per_case.csv and overlays.png; returns the metrics."""
    return evaluate_segmenter(
        _compiled(segmenter), builder.dataset, builder.split, builder.config.workdir
    )


def export(builder: Builder, segmenter: keras.Model) -> Path:
    """Writes the SavedModel, checked against the segmenter on test cases; returns its folder."""
    test = list(builder.split.test[:NUM_PICTURED_CASES])
    dataset = builder.dataset
    return export_segmenter(
        segmenter, builder.config.workdir, dataset.images[test], dataset.intensity_maximum
    )


def _train(
    phase: str,
    builder: Builder,
    step: Step,
    segmenter: keras.Model,
    checkpoints: Checkpoints,
    monitor: Monitor,
    shown: Sequence[str],
    draw: Callable[[int], None] = lambda done: None,
) -> None:
    """The epochs of one phase.

    At the end of an epoch there is a checkpoint if the newest is a minute old, and every few
    epochs pictures.
    """
    training = builder.config.training
    epoch_ends = builder.epoch_ends(phase)
    _set_graph_optimizer(phase, epoch_ends[-1])
    predict = _compiled(segmenter)
    last_save = time.monotonic()

    def end_epoch(epoch: int, done: int):
        nonlocal last_save
        is_last = epoch == len(epoch_ends)
        if is_last or time.monotonic() - last_save > CHECKPOINT_SECONDS:
            checkpoints.save(done)
            last_save = time.monotonic()
        if training.figure_every and (is_last or epoch % training.figure_every == 0):
            draw(done)
            # Retraining trains on the validation half too, where a figure would mislead.
            _draw_overlays(monitor, done, builder, predict, "val" if phase == "search" else "train")
            monitor.flush()

    run_epochs(phase, step, epoch_ends, monitor, end_epoch, shown)


def _set_graph_optimizer(phase: str, num_steps: int) -> None:
    """Leaves TensorFlow's graph optimizer out where it does not pay, see `SHORT_TRAINING`."""
    is_costly = phase == "search" or num_steps < SHORT_TRAINING
    is_disabled = is_costly and not tf.config.list_physical_devices("GPU")
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": is_disabled})


def _compiled(segmenter: keras.Model):
    """Calls of the segmenter as one graph, for any number of images."""
    spec = tf.TensorSpec([None, *segmenter.input_shape[1:]], tf.float32)
    return tf.function(
        lambda images: segmenter(images, training=False), input_signature=[spec], autograph=False
    )


def _draw_architecture(monitor: Monitor, done: int, architecture) -> None:
    genotype = architecture.derive()
    for name, op_weights in zip(CELL_NAMES, architecture.op_weights(), strict=True):
        title = f"{name} cell after step {done}"
        monitor.picture(done, f"alpha/{name}", draw_op_weights(op_weights, title))
        cell = getattr(genotype, name)
        monitor.picture(done, f"genotype/{name}", draw_cell(cell, title))


def _draw_overlays(monitor: Monitor, done: int, builder: Builder, predict, name: str) -> None:
    """Overlays of a few cases of the validation half, and the mean IoU of all of it."""
    dataset, val = builder.dataset, list(builder.split.val)
    labels = dataset.labels[val]
    predictions = predict_labels(predict, dataset.images[val])
    confusion = confusion_matrix(labels, predictions, len(dataset.class_names))
    monitor.scalars(done, {f"{name}/mean_iou": float(mean_over_present(iou(confusion)))})
    few = slice(NUM_PICTURED_CASES)
    picture = draw_overlays(
        dataset.images[val][few],
        labels[few],
        predictions[few],
        [dataset.cases[index] for index in val[few]],
        dataset.class_names,
    )
    monitor.picture(done, f"{name}/overlays", picture)
