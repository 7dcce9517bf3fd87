"""The stages of a run: search and derive, retrain, evaluate, export."""

import contextlib
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras

from darts_adv_tf.config import RunConfig, workdir
from darts_adv_tf.config.config_file import load_config, save_config, versions
from darts_adv_tf.data.absent_classes import find_absent_classes
from darts_adv_tf.data.data_issue import DataIssue
from darts_adv_tf.data.leaks import find_leaks
from darts_adv_tf.data.split import CASES_FILE, write_cases_csv
from darts_adv_tf.evaluation.evaluator import compile_segmenter, evaluate_segmenter
from darts_adv_tf.plots.genotype_plot import save_genotype_figures
from darts_adv_tf.run.components import (
    Devices,
    Gather,
    Run,
    make_devices,
    make_run,
    make_search_trainer,
    make_segmenter,
    make_trainer,
)
from darts_adv_tf.run.training_stage import retrain_step, search_step, train_stage
from darts_adv_tf.search_space.genotype import (
    GENOTYPE_FILE,
    Genotype,
    load_genotype,
    random_genotype,
    save_genotype,
)
from darts_adv_tf.serving.exporting import export_segmenter
from darts_adv_tf.system.errors import ConfigurationError, DataError, UserError
from darts_adv_tf.terminal.closing_table import files_table, metrics_table, warnings_table
from darts_adv_tf.training.callbacks.epoch_log import EPOCHS_FILES
from darts_adv_tf.training.checkpoint import folder_of, restore_segmenter
from darts_adv_tf.training.checkpoint_store import CheckpointStore

STAGES = ("search", "retrain")
"""Those that train, and leave checkpoints."""
NUM_EXPORT_CHECKS = 3
"""Test cases on which the exported model is compared with the trained one."""


@contextlib.contextmanager
def begin(config: RunConfig) -> Iterator[Run]:
    """Makes a run, takes its work directory and writes its configuration and its cases there.

    If the run has begun before, its configuration and its cases must be the same. A run that is
    refused before its first step leaves no work directory behind.

    Raises:
        ConfigurationError: Another process works there, or has just begun another run there.
    """
    devices = make_devices(config)
    if devices.cluster is not None:
        run = load_and_report_data(config, devices)
        _compare_workers(run, devices.gather)
        if not devices.is_chief:
            yield run
            return
    saved = _lock_begun_run(config)
    # Before anything is written: wrong data leave nothing behind.
    if devices.cluster is None:
        run = load_and_report_data(config, devices)
    if saved is None:
        workdir.lock(run.workdir)
        workdir.refuse_occupied(run.workdir)
    if saved != config:
        save_config(config, run.workdir)
    cases = run.workdir / CASES_FILE
    if not cases.exists():
        write_cases_csv(cases, run.dataset, run.split)
    print(f"work directory: {run.workdir}", flush=True)
    try:
        yield run
    except Exception:
        # Whatever it was: a folder with a configuration would refuse the same run, put right.
        is_kept = any(
            _checkpoints(run, stage).steps() or (run.workdir / EPOCHS_FILES[stage]).exists()
            for stage in STAGES
        )
        if saved is None and not is_kept:
            workdir.remove_unbegun(run.workdir)
        raise


def _lock_begun_run(config: RunConfig) -> RunConfig | None:
    """Takes the work directory of a run that has begun; returns its configuration."""
    if config.workdir is None or not workdir.holds_run(config.workdir):
        return None
    workdir.lock(config.workdir)
    saved = load_config(config.workdir)
    if config.settings_it_goes_on_from(saved.fixed_settings()) != config.fixed_settings():
        # Another process has begun a run there since the flags were read.
        workdir.refuse_occupied(config.workdir)
    return saved


def _compare_workers(run: Run, gather: Gather | None) -> None:
    """Checks that all workers make the same run of the same data."""
    assert gather is not None, "several workers can gather"
    settings = json.dumps(run.config.fixed_settings(), sort_keys=True)
    is_searched = (run.workdir / GENOTYPE_FILE).exists()
    compared = {
        "flags": zlib.crc32(settings.encode()),
        "data": zlib.crc32(run.dataset.fingerprint().encode()),
        "versions": zlib.crc32(json.dumps(versions(), sort_keys=True).encode()),
        "reliability flags": zlib.crc32(repr(run.config.reliability).encode()),
        "work directory": zlib.crc32(f"{run.workdir.name} {is_searched}".encode()),
    }
    rows = gather(list(compared.values()))
    differing = [
        name for name, values in zip(compared, rows.T, strict=True) if len(set(values)) > 1
    ]
    if differing:
        raise ConfigurationError(
            "All workers of a run must have the same flags, data, versions and work directory.",
            received=f"workers with other {', '.join(differing)} than this one",
            remedy="Start the same command everywhere, with a --workdir on a shared file system.",
        )


def load_and_report_data(config: RunConfig, devices: Devices) -> Run:
    """Makes the run; prints its data issues, its split and its devices.

    Raises:
        ConfigurationError, DataError: See `make_run`; or a case is trained on and tested with.
    """
    run = make_run(config, devices)
    dataset, split = run.dataset, run.split
    absent, leaks = find_absent_classes(dataset, split), find_leaks(dataset, split)
    for issue in (*dataset.issues, *absent, *leaks):
        print(f"data: {issue}")
    _refuse_absent_classes(absent)
    _refuse_leaks(leaks)
    names = [device.rpartition("device:")[-1] for device in devices.worker_devices]
    print("devices:", ", ".join(names))
    print(
        f"data: {len(dataset.cases)} cases of {dataset.name}, {len(split.train)} train, "
        f"{len(split.val)} val, {len(split.test)} test"
    )
    return run


def _refuse_absent_classes(absent: Sequence[DataIssue]) -> None:
    fatal = [issue for issue in absent if issue.is_fatal]
    if fatal:
        raise DataError(
            "Training and test cases must each show a class besides the background: else nothing "
            "would be learned or measured.",
            received=fatal[0],
            remedy="Check the masks by python -m darts_adv_tf.verify; raise --image_size if they "
            "vanish at it, or choose the cases by --cases.",
        )


def _refuse_leaks(leaks: Sequence[DataIssue]) -> None:
    fatal = [issue for issue in leaks if issue.is_fatal]
    if fatal:
        raise DataError(
            "No image and no patient must be both trained on and tested with: the metrics would "
            "reward memory.",
            received=f"{len(fatal)} such case(s), the first: {fatal[0]}",
            remedy="Remove the copies, or split the cases by a table: --cases=<case,split,"
            "patient>.",
        )


def load_or_draw_genotype(config: RunConfig) -> Genotype | None:
    """Returns the genotype that `train` is given, or draws the random one of its number.

    A run that has begun has a copy in its work directory, since the file may be gone.

    Returns:
        None if the discriminator is not made of cells.

    Raises:
        ConfigurationError: The file is missing, no genotype, or of another search space.
        StorageError: It cannot be read.
    """
    if config.model.discriminator == "random":
        return random_genotype(config.model.random_draw, config.model.search_space)
    if config.genotype is None:
        return None
    copy = None if config.workdir is None else Path(config.workdir) / GENOTYPE_FILE
    path = copy if copy is not None and copy.exists() else config.genotype
    return load_genotype(path, config.model.search_space)


def search(run: Run) -> Genotype:
    """Alg. 1: searches alpha on the halves of the training cases, then derives the genotype.

    Writes the plots of the cells and genotype.json, by which a resumed run knows that the search
    is done.
    """
    path = run.workdir / GENOTYPE_FILE
    if path.exists():
        print(f"search: done before, see {path}")
        return load_genotype(path, run.config.model.search_space)
    trainer = make_search_trainer(run)
    train_stage("search", run, search_step(run, trainer), trainer)
    genotype = trainer.architecture.derive()
    save_architecture(run, genotype)
    return genotype


def save_architecture(run: Run, genotype: Genotype) -> None:
    """Writes the plots of the cells, then genotype.json."""
    if not run.devices.is_chief:
        return
    save_genotype_figures(genotype, run.workdir, run.config.model.cell_kinds)
    save_genotype(genotype, run.workdir / GENOTYPE_FILE)


def retrain(run: Run, genotype: Genotype | None) -> keras.Model:
    """Trains a new segmenter on all training cases, with its discriminator if there is one.

    Returns:
        The segmenter of the last epoch: test cases select nothing.
    """
    trainer = make_trainer(run, genotype)
    train_stage("retrain", run, retrain_step(run, trainer), trainer)
    return trainer.parts["segmenter"]


def reopen(config: RunConfig) -> tuple[Run, keras.Model]:
    """Takes the work directory of a finished run; returns the run and its trained segmenter.

    Raises:
        ConfigurationError: Another process works there.
        CheckpointError: Retraining is not finished, or its last checkpoint cannot be used.
    """
    devices = make_devices(config, continues_run=True)
    if config.workdir is not None:
        workdir.lock(config.workdir)
    run = make_run(config, devices, continues_run=True)
    segmenter = make_segmenter(run)
    restore_segmenter(run.workdir, segmenter, max(run.epoch_ends("retrain"), default=0))
    return run, segmenter


def conclude(run: Run, segmenter: keras.Model | None) -> None:
    """Evaluates and exports the segmenter, if there is one, and prints the results."""
    if run.devices.is_chief:
        if segmenter is not None:
            print(metrics_table(evaluate(run, segmenter)))
            export(run, segmenter)
        print(warnings_table(warnings(run)), end="")
        print(files_table(run.workdir))
    if run.devices.gather is not None:
        # The other workers stay, since TensorFlow would take one that ends for a failed one.
        run.devices.gather([0])


def evaluate(run: Run, segmenter: keras.Model) -> dict[str, Any]:
    """Writes metrics.json, per_case.csv and overlays.png; returns the metrics."""
    return evaluate_segmenter(
        compile_segmenter(segmenter), run.dataset, run.split, run.workdir, ratios=run.ratios
    )


def export(run: Run, segmenter: keras.Model) -> Path:
    """Writes the SavedModel, checked against the segmenter on test cases; returns its folder."""
    test = list(run.split.test[:NUM_EXPORT_CHECKS])
    dataset = run.dataset
    return export_segmenter(
        segmenter, run.workdir, dataset.images[test], dataset.preparation, dataset.class_names
    )


def warnings(run: Run) -> dict[str, list[str]]:
    """Returns the warnings of each stage, read from its last checkpoint."""
    found = {}
    for stage in STAGES:
        store = _checkpoints(run, stage)
        for step in store.steps()[-1:]:
            # Not worth an error at the end of a run whose search has its genotype.
            with contextlib.suppress(UserError, LookupError, TypeError):
                collapses = store.read(step).notes["watch"]["warnings"]
                found[stage] = [f"step {each['step']}: {each['message']}" for each in collapses]
    return found


def _checkpoints(run: Run, stage: str) -> CheckpointStore:
    return CheckpointStore(folder_of(run.workdir, stage))
