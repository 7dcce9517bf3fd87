"""The stages of a run: search and derive, retrain, evaluate, export."""

import contextlib
import json
import zlib
from collections.abc import Sequence
from pathlib import Path

import keras

from darts_adv_tf.config import workdir
from darts_adv_tf.config.config_file import load_config, save_config, versions
from darts_adv_tf.data.data_issue import DataIssue
from darts_adv_tf.data.leaks import find_leaks
from darts_adv_tf.data.split import CASES_FILE, write_cases_csv
from darts_adv_tf.evaluation.evaluator import evaluate_segmenter
from darts_adv_tf.plots.genotype_plot import save_genotype_figures
from darts_adv_tf.run.components import Builder
from darts_adv_tf.run.phase import (
    NUM_PICTURED_CASES,
    compiled,
    retrain_step,
    search_step,
    train_phase,
)
from darts_adv_tf.search_space.genotype import GENOTYPE_FILE, Genotype, load_genotype, save_genotype
from darts_adv_tf.serving.exporting import export_segmenter
from darts_adv_tf.system.errors import ConfigurationError, DataError, UserError
from darts_adv_tf.terminal.closing_table import files_table, metrics_table, warnings_table
from darts_adv_tf.training import metric_names
from darts_adv_tf.training.checkpoint import folder_of, restore_segmenter
from darts_adv_tf.training.checkpoint_store import CheckpointStore

PHASES = ("search", "retrain")


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
    for issue in (*dataset.issues, *leaks):
        print(f"data: {issue}")
    _refuse_leaks(leaks)
    devices = builder.strategy.extended.worker_devices
    print("devices:", ", ".join(device.rpartition("device:")[-1] for device in devices))
    print(
        f"data: {len(dataset.cases)} cases of {dataset.name}, {len(split.train)} train, "
        f"{len(split.val)} val, {len(split.test)} test"
    )


def _refuse_leaks(leaks: Sequence[DataIssue]) -> None:
    fatal = [issue for issue in leaks if issue.is_fatal]
    if fatal:
        raise DataError(
            "No image and no patient is both trained on and tested with: figures would tell what "
            "was learned by heart.",
            received=f"{len(fatal)} such case(s), the first: {fatal[0]}",
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
    shown = (
        metric_names.SEGMENTATION_LOSS,
        metric_names.DISCRIMINATOR_LOSS,
        metric_names.VALIDATION_LOSS,
    )
    train_phase("search", builder, search_step(builder, trainer), trainer.parts, shown)
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
    shown = (metric_names.SEGMENTATION_LOSS,)
    if "discriminator" in trainer.parts:
        shown += (metric_names.ADVERSARIAL_LOSS, metric_names.DISCRIMINATOR_LOSS)
    train_phase("retrain", builder, retrain_step(builder, trainer), trainer.parts, shown)
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
        compiled(segmenter),
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
