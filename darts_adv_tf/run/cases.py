"""From settings to the cases of a run: found, prepared and split."""

from pathlib import Path

from darts_adv_tf.config import DataConfig, RunConfig
from darts_adv_tf.data.collection import Collection
from darts_adv_tf.data.dataset import Dataset
from darts_adv_tf.data.loading import load
from darts_adv_tf.data.preparation import Preparation
from darts_adv_tf.data.ratio_table import RATIOS_FILE, read_ratios
from darts_adv_tf.data.sources.phantom import make_phantoms
from darts_adv_tf.data.sources.registry import find_collection
from darts_adv_tf.data.split import (
    CASES_FILE,
    ListedCases,
    Split,
    read_cases_csv,
    split_at_random,
    split_by_source,
    split_into_folds,
)
from darts_adv_tf.system.errors import ConfigurationError
from darts_adv_tf.terminal.progress import LoadingProgress


def find_cases(data: DataConfig, seed: int, workdir: Path | None = None) -> Collection:
    """Finds the cases that take part; their images stay on disk.

    Args:
        data: Which data set, and which of its cases.
        seed: Seed of the phantom.
        workdir: Folder of the run. A run that has begun lists its cases there.

    Raises:
        DataError: The data set, or the list of cases, cannot be read.
    """
    if data.dataset == "phantom":
        collection = make_phantoms(data.image_size, data.phantom_cases, seed, data.phantom_domain)
        if data.classes is not None:
            collection = collection.with_classes(data.classes)
    else:
        # Given, as the configuration checks.
        collection = find_collection(data.dataset, Path(data.data_dir or "."), data.classes)
    listed = _listed_cases(data, workdir)
    if listed is None:
        return collection
    for liberty in listed.liberties:
        print(f"data: {listed.path}: {liberty}")
    listed = listed.of([case.name for case in collection.cases])
    return collection.only(listed.parts).with_patients(listed.patients)


def load_cases(collection: Collection, data: DataConfig) -> Dataset:
    """Reads and prepares the cases, with progress on the terminal.

    Raises:
        DataError: Cases cannot be used for training.
        ConfigurationError: They do not fit into memory, or their intensities have no bounds.
    """
    with LoadingProgress("data") as progress:
        return load(collection, make_preparation(data), progress)


def split_cases(
    dataset: Dataset,
    data: DataConfig,
    seed: int,
    workdir: Path | None = None,
    continues_run: bool = False,
) -> Split:
    """Splits the cases for training, validation and test.

    Args:
        dataset: The cases.
        data: How they are split.
        seed: Seed of the split.
        workdir: Folder of the run; where it has a cases.csv, that is the split.
        continues_run: Whether the cases.csv must be there.

    Raises:
        ConfigurationError, DataError: The cases cannot be split so.
    """
    cases = None if workdir is None else workdir / CASES_FILE
    if cases is not None and (continues_run or cases.exists()):
        return read_cases_csv(cases, dataset)
    listed = _listed_cases(data, workdir)
    if listed is not None:
        return listed.split(dataset, seed)
    if data.split == "folds":
        return split_into_folds(dataset.patients, data.num_folds, data.fold, seed)
    if data.split == "source":
        return split_by_source(dataset.patients, dataset.folds, data.fold, seed)
    return split_at_random(dataset.patients, data.train_cases, seed)


def check_batch_size(config: RunConfig, split: Split) -> None:
    """Checks that a batch can be filled with distinct cases.

    Raises:
        ConfigurationError: It cannot.
    """
    is_search = config.command == "search"
    available = len(split.train_and_val)
    if is_search:
        available = min(len(split.train), len(split.val))
    batch_size = config.training.batch_size
    if batch_size > available:
        raise ConfigurationError(
            "--batch_size must not exceed the number of cases"
            + (": the search trains on half of the training cases." if is_search else "."),
            received=f"--batch_size={batch_size}, {len(split.train)} train and "
            f"{len(split.val)} val cases",
            remedy=f"Use --batch_size={available} or less.",
        )


def listed_ratios(data: DataConfig) -> dict[str, float] | None:
    """Returns the cardiothoracic ratios that come with the images, by case, if any do."""
    if data.data_dir is None:
        return None
    table = Path(data.data_dir) / RATIOS_FILE
    return read_ratios(table) if table.is_file() else None


def make_preparation(data: DataConfig) -> Preparation:
    """Returns how images are prepared; their range of intensities is read from the first one."""
    return Preparation(
        data.image_size,
        intensity_maximum=None,
        keeps_aspect=data.keep_aspect,
        normalization=data.normalization,
        window=data.window,
        percentiles=data.percentiles,
    )


def _listed_cases(data: DataConfig, workdir: Path | None) -> ListedCases | None:
    """Reads the table of --cases, or a begun run's copy of it: the table may be gone."""
    if data.cases is None:
        return None
    copy = None if workdir is None else workdir / CASES_FILE
    return ListedCases.read(copy if copy is not None and copy.exists() else data.cases)
