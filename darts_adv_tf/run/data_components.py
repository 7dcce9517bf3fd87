"""From a configuration to its data: the cases of a source, prepared and split."""

from functools import cached_property
from pathlib import Path

from darts_adv_tf.config import DataConfig, RunConfig
from darts_adv_tf.config.verify import VerifyConfig
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


class DataBuilder:
    """Finds, reads and splits the cases of a run, each when it is first asked for.

    Args:
        config: The run's configuration; that of a verification suffices for what is no batch.
        continues_run: Whether the cases are split as the run's cases.csv has them, whatever the
            data set has become since.
    """

    def __init__(self, config: RunConfig | VerifyConfig, continues_run: bool = False):
        self.config = config
        self.continues_run = continues_run

    @cached_property
    def collection(self) -> Collection:
        """The cases that take part, still on the disk."""
        data = self.config.data
        if data.dataset == "phantom":
            collection = make_phantoms(
                data.image_size, data.phantom_cases, self.config.seed, data.phantom_domain
            )
            if data.classes is not None:
                collection = collection.with_classes(data.classes)
        else:
            collection = find_collection(data.dataset, Path(data.data_dir or ""), data.classes)
        if self._listed is None:
            return collection
        self._listed.require_known([case.name for case in collection.cases])
        return collection.only(self._listed.parts).with_patients(self._listed.patients)

    @cached_property
    def dataset(self) -> Dataset:
        """The cases, in memory."""
        with LoadingProgress("data") as progress:
            return load(self.collection, make_preparation(self.config.data), progress)

    @cached_property
    def split(self) -> Split:
        """Which cases train, validate and test."""
        assert isinstance(self.config, RunConfig), "a verification has no batches"
        split = self.split_of(self.dataset)
        is_search = self.config.command == "search"
        available = len(split.train if is_search else split.train_and_val)
        if is_search:
            available = min(available, len(split.val))
        batch_size = self.config.training.batch_size
        if batch_size > available:
            raise ConfigurationError(
                "A batch holds no more cases than there are"
                + (", and the search trains on half of the training cases." if is_search else "."),
                received=f"--batch_size={batch_size}, {len(split.train)} train and "
                f"{len(split.val)} val cases",
                remedy=f"Use --batch_size={available} or less.",
            )
        return split

    def split_of(self, dataset: Dataset) -> Split:
        """How the run splits these cases of it."""
        data, seed = self.config.data, self.config.seed
        cases = self._cases_of_run
        if cases is not None and (self.continues_run or cases.exists()):
            return read_cases_csv(cases, dataset)
        if self._listed is not None:
            return self._listed.split(dataset, seed)
        if data.split == "folds":
            return split_into_folds(dataset.patients, data.num_folds, data.fold, seed)
        if data.split == "source":
            return split_by_source(dataset.patients, dataset.folds, data.fold, seed)
        return split_at_random(dataset.patients, data.train_cases, seed)

    @property
    def ratios(self) -> dict[str, float] | None:
        """Cardiothoracic ratios by case, where a table of them lies beside the images."""
        if self.config.data.data_dir is None:
            return None
        table = Path(self.config.data.data_dir) / RATIOS_FILE
        return read_ratios(table) if table.is_file() else None

    @property
    def _cases_of_run(self) -> Path | None:
        workdir = self.config.workdir
        return None if workdir is None else Path(workdir) / CASES_FILE

    @cached_property
    def _listed(self) -> ListedCases | None:
        """The user's own table; a run that has begun has a copy, and the table may be gone."""
        if self.config.data.cases is None:
            return None
        copy = self._cases_of_run
        return ListedCases.read(copy if copy and copy.exists() else self.config.data.cases)


def make_preparation(data: DataConfig) -> Preparation:
    """How images are prepared; the intensities that they can have show in the first of them."""
    return Preparation(
        data.image_size,
        intensity_maximum=None,
        keeps_aspect=data.keep_aspect,
        normalization=data.normalization,
        window=data.window,
        percentiles=data.percentiles,
    )
