"""The stages of a run: search and derive, retrain, evaluate, export."""

import contextlib
import dataclasses
import hashlib
import json
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import keras
import tensorflow as tf

from darts_adv_tf import workdir
from darts_adv_tf.builder import Builder
from darts_adv_tf.config import RunConfig
from darts_adv_tf.config_file import load_config, save_config, versions
from darts_adv_tf.data.finding import Finding
from darts_adv_tf.data.leaks import find_leaks
from darts_adv_tf.data.split import CASES_FILE, write_cases_csv
from darts_adv_tf.errors import ConfigurationError, DataError, UserError
from darts_adv_tf.evaluation import evaluate_segmenter, predict_labels
from darts_adv_tf.exporting import export_segmenter
from darts_adv_tf.genotype import GENOTYPE_FILE, Genotype, load_genotype, save_genotype
from darts_adv_tf.history import History
from darts_adv_tf.metrics import confusion_matrix, iou, mean_over_present
from darts_adv_tf.reporting.alpha_figure import draw_op_weights
from darts_adv_tf.reporting.closing_table import files_table, metrics_table, warnings_table
from darts_adv_tf.reporting.genotype_figure import draw_cell, save_genotype_figures
from darts_adv_tf.reporting.overlays import draw_overlays
from darts_adv_tf.training.adversarial import AdversarialTrainer
from darts_adv_tf.training.checkpoint import (
    Checkpoints,
    Part,
    folder_of,
    restore_segmenter,
)
from darts_adv_tf.training.checkpoint_store import CheckpointStore
from darts_adv_tf.training.collapse import CollapseWatch, Thresholds
from darts_adv_tf.training.loop import SaveInterval, TrainingLoop
from darts_adv_tf.training.monitor import Monitor
from darts_adv_tf.training.search import SearchTrainer
from darts_adv_tf.training.segmentation import SegmentationTrainer

Step = Callable[[int], dict[str, float]]
"""Makes the step of the given number and returns its figures."""

SHORT_TRAINING = 200
"""Steps of retraining below which TensorFlow's graph optimizer costs more than it saves on a CPU.

In the search it costs half a minute and a gigabyte for no gain, since that graph is made of few
calls of shared functions.
"""
NUM_PICTURED_CASES = 3
PHASES = ("search", "retrain")
CELL_NAMES = ("normal", "reduction")


def begin(builder: Builder) -> None:
    """Reads the data, reports its repairs, takes the work directory and writes what the run is.

    Where the run has begun before, its configuration and its cases have to be the same.

    Raises:
        ConfigurationError: Another process works there, or has just begun another run there.
    """
    config = builder.config
    if builder.cluster is not None:
        introduce(builder)
        _compare_workers(builder)
    if not builder.is_chief:
        return
    is_begun = workdir.holds_run(config.workdir)
    if is_begun:
        workdir.lock(config.workdir)
        saved = load_config(config.workdir)
        if saved.fixed_settings() != config.fixed_settings():
            # Another process has begun a run there since the flags were read.
            workdir.refuse_occupied(config.workdir)
    # Before anything is written: wrong data leave nothing behind.
    if builder.cluster is None:
        introduce(builder)
    if not is_begun:
        workdir.lock(config.workdir)
        workdir.refuse_occupied(config.workdir)
    if not is_begun or saved != config:
        save_config(config, config.workdir)
    cases = Path(config.workdir) / CASES_FILE
    if not cases.exists():
        write_cases_csv(cases, builder.dataset, builder.split)


def _compare_workers(builder: Builder) -> None:
    """Sees to it that all workers make the same run of the same data."""
    path = Path(builder.config.workdir) / GENOTYPE_FILE
    settings = json.dumps(builder.config.fixed_settings(), sort_keys=True)
    compared = {
        "flags": zlib.crc32(settings.encode()),
        "data": zlib.crc32(builder.dataset.fingerprint().encode()),
        "versions": zlib.crc32(json.dumps(versions(), sort_keys=True).encode()),
        "reliability flags": zlib.crc32(repr(builder.config.reliability).encode()),
        "work directory": zlib.crc32(f"{path.parent.name} {path.exists()}".encode()),
    }
    rows = builder.gather(list(compared.values()))
    differing = [
        name for name, values in zip(compared, rows.T, strict=True) if len(set(values)) > 1
    ]
    if differing:
        raise ConfigurationError(
            "All workers of a run have the same flags, data, versions and work directory.",
            received=f"workers with other {', '.join(differing)} than this one",
            remedy="Start the same command everywhere, with a --workdir on a shared file system.",
        )


def introduce(builder: Builder) -> None:
    """Reads the data, reports its repairs, and says how it is split and on which devices."""
    dataset, split = builder.dataset, builder.split
    leaks = find_leaks(dataset, split)
    for finding in (*dataset.findings, *leaks):
        print(f"data: {finding}")
    _refuse_leaks(leaks)
    devices = builder.strategy.extended.worker_devices
    print("devices:", ", ".join(device.rpartition("device:")[-1] for device in devices))
    print(
        f"data: {len(dataset.cases)} cases of {dataset.name}, {len(split.train)} train, "
        f"{len(split.val)} val, {len(split.test)} test"
    )


def _refuse_leaks(leaks: Sequence[Finding]) -> None:
    spoiling = [finding for finding in leaks if finding.spoils]
    if spoiling:
        raise DataError(
            "No image and no patient is both trained on and tested with: figures would tell what "
            "was learned by heart.",
            received=f"{len(spoiling)} such case(s), the first: {spoiling[0]}",
            remedy="Take the copies out, or share out cases by a table: --cases=<case,split,"
            "patient>.",
        )


def search(builder: Builder) -> Genotype:
    """Alg. 1: searches alpha on the halves of the training cases, then derives the genotype.

    Writes the drawings of both cells and genotype.json, by which a resumed run knows that the
    search is done.
    """
    path = Path(builder.config.workdir) / GENOTYPE_FILE
    if path.exists():
        print(f"search: done before, see {path}")
        return load_genotype(path)
    trainer = builder.make_search_trainer()
    shown = ("loss/segmentation", "loss/discriminator", "loss/validation")
    _train("search", builder, search_step(builder, trainer), trainer.parts, shown)
    genotype = trainer.architecture.derive()
    keep_genotype(builder, genotype)
    return genotype


def keep_genotype(builder: Builder, genotype: Genotype) -> None:
    """Writes the drawings of both cells, then genotype.json."""
    if not builder.is_chief:
        return
    folder = Path(builder.config.workdir)
    save_genotype_figures(genotype, folder)
    save_genotype(genotype, folder / GENOTYPE_FILE)


def retrain(builder: Builder, genotype: Genotype | None) -> keras.Model:
    """Trains a fresh segmenter on all training cases against its discriminator, or alone.

    Returns:
        The segmenter of the last epoch: the test cases select nothing.
    """
    trainer = builder.make_trainer(genotype)
    shown = ("loss/segmentation",)
    if "discriminator" in trainer.parts:
        shown += ("loss/adversarial", "loss/discriminator")
    _train("retrain", builder, retrain_step(builder, trainer), trainer.parts, shown)
    return trainer.parts["segmenter"]


def warnings(builder: Builder) -> dict[str, list[str]]:
    """Of what each phase has warned, as its last checkpoint keeps it."""
    found = {}
    for phase in PHASES:
        store = CheckpointStore(folder_of(builder.config.workdir, phase))
        for step in store.steps()[-1:]:
            # Not worth an error at the end of a run whose search has its genotype.
            with contextlib.suppress(UserError, LookupError, TypeError):
                collapses = store.read(step).notes["watch"]["warnings"]
                found[phase] = [f"step {each['step']}: {each['message']}" for each in collapses]
    return found


def search_step(builder: Builder, trainer: SearchTrainer) -> Step:
    """Steps of Alg. 1 on a batch of each half of the training cases, compared where asked for."""
    compare_every = builder.config.training.compare_gradient_every
    streams = [builder.make_batches(cases) for cases in (builder.split.train, builder.split.val)]

    def step(number: int):
        batches = [batches(number) for batches in streams]
        comparison = {}
        if compare_every and number % compare_every == 0:
            comparison = trainer.compare_second_order(*batches)
            # It changes nothing, so that it is no reason to leave out the step.
            comparison = {key: value for key, value in comparison.items() if math.isfinite(value)}
        return trainer.step(*batches) | comparison | trainer.architecture.statistics()

    return step


def retrain_step(builder: Builder, trainer: AdversarialTrainer | SegmentationTrainer) -> Step:
    """Steps on a batch of all training cases."""
    batches = builder.make_batches(builder.split.training)
    return lambda number: trainer.step(batches(number))


def restored_segmenter(builder: Builder) -> keras.Model:
    """The segmenter of a finished run, with the cases split as they were then.

    Takes the work directory, since what follows writes there.
    """
    workdir.lock(builder.config.workdir)
    segmenter = builder.make_segmenter()
    num_steps = max(builder.epoch_ends("retrain"), default=0)
    restore_segmenter(builder.config.workdir, segmenter, num_steps)
    return segmenter


def conclude(builder: Builder, segmenter: keras.Model | None) -> None:
    """Evaluates and exports, where there is a segmenter, and says what the run has brought."""
    if builder.is_chief:
        if segmenter is not None:
            print(metrics_table(evaluate(builder, segmenter)))
            export(builder, segmenter)
        print(warnings_table(warnings(builder)), end="")
        print(files_table(builder.config.workdir))
    if builder.gather is not None:
        # The other workers stay, since TensorFlow would take one that ends for a failed one.
        builder.gather([0])


def evaluate(builder: Builder, segmenter: keras.Model) -> dict:
    """Writes metrics.json, per_case.csv and overlays.png; returns the metrics."""
    return evaluate_segmenter(
        _compiled(segmenter),
        builder.dataset,
        builder.split,
        builder.config.workdir,
        ratios=builder.ratios,
    )


def export(builder: Builder, segmenter: keras.Model) -> Path:
    """Writes the SavedModel, checked against the segmenter on test cases; returns its folder."""
    test = list(builder.split.test[:NUM_PICTURED_CASES])
    dataset = builder.dataset
    return export_segmenter(
        segmenter,
        builder.config.workdir,
        dataset.images[test],
        dataset.preparation,
        dataset.class_names,
    )


def _train(
    phase: str, builder: Builder, step: Step, parts: Mapping[str, Part], shown: Sequence[str]
) -> None:
    """The steps of one phase, with figures every few epochs."""
    config = builder.config
    figure_every = config.training.figure_every
    epoch_ends = builder.epoch_ends(phase)
    _set_graph_optimizer(phase, epoch_ends[-1])
    predict = _compiled(parts["segmenter"])
    history = History(Path(config.workdir), phase)
    store = CheckpointStore(folder_of(config.workdir, phase), config.reliability.keep_checkpoints)
    if builder.is_chief:
        store.remove_unfinished()
    identity = {
        "phase": phase,
        "config": config.fixed_settings(),
        "data": builder.dataset.fingerprint(),
        "split": hashlib.sha256(repr(builder.split).encode()).hexdigest(),
    }
    with (
        Monitor(config.workdir, phase, builder.is_chief) as monitor,
        Checkpoints(store, parts, identity, builder.is_chief) as checkpoints,
    ):

        def end_epoch(epoch: int, done: int) -> dict[str, float]:
            if not builder.is_chief:
                return {}

            def is_due(every: int) -> bool:
                return every > 0 and (epoch == len(epoch_ends) or epoch % every == 0)

            test_figures = {}
            try:
                if phase == "retrain" and is_due(config.training.test_every):
                    test_figures = _test_figures(builder, predict)
                    monitor.scalars(done, test_figures)
            finally:
                # An epoch after which the segmenter predicts nothing has a row too.
                history.end_epoch(epoch, test_figures)
            if "architecture" in parts:
                history.record_alpha(epoch, parts["architecture"].op_weights())
            if not is_due(figure_every):
                return {}
            if "architecture" in parts:
                _draw_architecture(monitor, done, parts["architecture"])
            # Retraining trains on the validation half too, where a figure would mislead.
            name = "val" if phase == "search" else "train"
            figures = _draw_overlays(monitor, done, builder, predict, name)
            monitor.flush()
            return figures

        loop = TrainingLoop(
            phase,
            history.following(step),
            epoch_ends,
            end_epoch,
            monitor,
            checkpoints,
            SaveInterval(*config.reliability.interval),
            CollapseWatch(_thresholds(config), epoch_ends[-1]),
            shown,
            config.reliability.on_nonfinite,
            builder.gather,
            notes={"versions": versions()},
        )
        loop.run()


def _thresholds(config: RunConfig) -> Thresholds:
    values = dataclasses.asdict(config.collapse)
    return Thresholds(**{key.removeprefix("collapse_"): value for key, value in values.items()})


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


def _test_figures(builder: Builder, predict) -> dict[str, float]:
    """How the test cases fare at this moment, for curves: nothing is decided by it."""
    dataset, test = builder.dataset, list(builder.split.test)
    predictions = predict_labels(predict, dataset.images[test])
    values = iou(confusion_matrix(dataset.labels[test], predictions, len(dataset.class_names)))
    return {
        "test/mean_iou": float(mean_over_present(values)),
        "test/mean_iou_organs": float(mean_over_present(values[1:])),
    }


def _draw_overlays(
    monitor: Monitor, done: int, builder: Builder, predict, name: str
) -> dict[str, float]:
    """Overlays of a few cases of the validation half, and the mean IoU of all of it, returned."""
    dataset, val = builder.dataset, list(builder.split.val)
    labels = dataset.labels[val]
    predictions = predict_labels(predict, dataset.images[val])
    confusion = confusion_matrix(labels, predictions, len(dataset.class_names))
    figures = {f"{name}/mean_iou": float(mean_over_present(iou(confusion)))}
    monitor.scalars(done, figures)
    few = slice(NUM_PICTURED_CASES)
    picture = draw_overlays(
        dataset.images[val][few],
        labels[few],
        predictions[few],
        [dataset.cases[index] for index in val[few]],
        dataset.class_names,
    )
    monitor.picture(done, f"{name}/overlays", picture)
    return figures
