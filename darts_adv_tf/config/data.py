"""Which images, how they are split, and how they are prepared."""

import dataclasses
import math

from darts_adv_tf.config.setting import check_fields, setting
from darts_adv_tf.system.errors import ConfigurationError

DATASETS = (
    "phantom",
    "cx_seg",
    "jsrt",
    "montgomery",
    "shenzhen",
    "chexmask",
    "nnunet",
    "decathlon",
    "folders",
)
PHANTOM_DOMAINS = ("uniform", "mixed")
"""Like the paper's two data sets: one machine, and many hospitals."""


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Which cases, how they are split (paper, section 3.2), and how images are prepared."""

    dataset: str = setting(
        "phantom",
        "Data set: phantom, made by the program itself, or the layout of the folder --data_dir; "
        "docs/datasets.md describes each.",
        choices=DATASETS,
    )
    data_dir: str | None = setting(
        None,
        "Folder of the data set; refused for phantom, which has none.",
        may_change=True,
    )
    classes: str | None = setting(
        None,
        "Names of the organs, separated by commas, without the background; all that the data set "
        "has unless given. Needed for folders with index masks, whose values they name.",
        since=3,
    )
    image_size: int = setting(
        64, "Edge of the square that images are resized to, in pixels. Paper: 512.", minimum=1
    )
    keep_aspect: bool = setting(
        False, "Pad images that are not square, in place of stretching them.", since=3
    )
    normalization: str = setting(
        "range",
        "Intensities that become 0 and 1: range, 0 and the largest that the file format can hold; "
        "window, those of --window; percentile, those of --percentiles in each image. Paper: none "
        "is stated.",
        choices=("range", "window", "percentile"),
        since=3,
    )
    window: str | None = setting(
        None, "Two stored intensities, <low>,<high>, of --normalization=window.", since=3
    )
    percentiles: str = setting(
        "0.5,99.5", "Two percentages, <low>,<high>, of --normalization=percentile.", since=3
    )
    split: str = setting(
        "random",
        "How cases are shared out: random, --train_cases drawn by the seed; folds, part --fold of "
        "--num_folds equal ones for the test; source, fold --fold of the data set's own for the "
        "test. The cases of a patient stay together.",
        choices=("random", "folds", "source"),
        since=3,
    )
    num_folds: int = setting(5, "Number of parts of --split=folds.", minimum=2, since=3)
    fold: int = setting(0, "The part that is tested, from 0.", minimum=0, since=3)
    cases: str | None = setting(
        None,
        "Table with a split of your own: columns case, split (train, val or test; without val the "
        "training cases are halved by the seed) and, if wanted, patient. Cases not listed are left "
        "out.",
        may_change=True,
        since=3,
    )
    train_cases: int = setting(
        32,
        "Number of training cases of --split=random, drawn by the seed and halved into train and "
        "val for the search; the rest is for the test. Paper: 50.",
        minimum=2,
    )
    phantom_cases: int = setting(
        80, "Number of cases the phantom is made with (not for other data sets).", minimum=3
    )
    phantom_domain: str = setting(
        "uniform",
        "Phantoms as of one machine, or as varied as those of many hospitals (not for other data "
        "sets).",
        choices=PHANTOM_DOMAINS,
        since=3,
    )

    def __post_init__(self):
        check_fields(self)
        if self.dataset == "phantom":
            if self.data_dir is not None:
                raise ConfigurationError(
                    "The phantom is made by the program and has no folder.",
                    received=f"--dataset=phantom --data_dir={self.data_dir}",
                    remedy="Name the data set too, as --dataset=cx_seg, or leave out --data_dir.",
                )
            if self.draws_cases and self.train_cases >= self.phantom_cases:
                raise ConfigurationError(
                    "At least one case has to be left for the test.",
                    received=f"--train_cases={self.train_cases} "
                    f"--phantom_cases={self.phantom_cases}",
                    remedy="Raise --phantom_cases or lower --train_cases.",
                )
        elif self.data_dir is None:
            raise ConfigurationError(
                "A data set other than the phantom is read from a folder.",
                received=f"--dataset={self.dataset} without --data_dir",
                remedy="Add --data_dir=<folder>.",
            )
        if self.train_cases % 2:
            raise ConfigurationError(
                "The training cases are halved into train and val, so their number is even.",
                received=f"--train_cases={self.train_cases}",
                remedy=f"Use --train_cases={self.train_cases - 1} or {self.train_cases + 1}.",
            )
        self._check_split()
        self._check_normalization()
        names = self.class_list or ()
        if not all(names) or len(set(names)) != len(names):
            raise ConfigurationError(
                "--classes is a list of different names, separated by commas.",
                received=f"--classes={self.classes}",
                remedy="Use such as --classes=left_lung,right_lung.",
            )

    @property
    def class_list(self) -> tuple[str, ...] | None:
        """`classes`, as names."""
        return None if self.classes is None else tuple(self.classes.split(","))

    @property
    def window_bounds(self) -> tuple[float, float] | None:
        """`window`, as numbers."""
        return None if self.window is None else _two_numbers("window", self.window)

    @property
    def percentile_bounds(self) -> tuple[float, float]:
        """`percentiles`, as numbers."""
        return _two_numbers("percentiles", self.percentiles)

    @property
    def draws_cases(self) -> bool:
        """Whether `train_cases` are drawn by the seed."""
        return self.split == "random" and self.cases is None

    def _check_split(self):
        if self.cases is not None and self.split != "random":
            raise ConfigurationError(
                "A table of cases is a split of its own.",
                received=f"--cases={self.cases} --split={self.split}",
                remedy="Leave out one of the two.",
            )
        if self.split == "random" and self.fold:
            raise ConfigurationError(
                "A fold is one of --split=folds or --split=source.",
                received=f"--fold={self.fold} without either",
                remedy="Add --split=folds.",
            )
        if self.split == "folds" and self.fold >= self.num_folds:
            raise ConfigurationError(
                "The folds are counted from 0.",
                received=f"--fold={self.fold} --num_folds={self.num_folds}",
                remedy=f"Use --fold={self.num_folds - 1} or less.",
            )

    def _check_normalization(self):
        if (self.normalization == "window") != (self.window is not None):
            raise ConfigurationError(
                "--normalization=window and --window=<low>,<high> go together.",
                received=f"--normalization={self.normalization}, "
                + ("no --window" if self.window is None else f"--window={self.window}"),
                remedy="Give both, or neither.",
            )
        low, high = self.percentile_bounds
        if low < 0 or high > 100:
            raise ConfigurationError(
                "Percentiles are numbers from 0 to 100.",
                received=f"--percentiles={self.percentiles}",
                remedy="Use such as --percentiles=0.5,99.5.",
            )
        # Read, so that what cannot be read is refused here.
        _ = self.window_bounds


def _two_numbers(name: str, text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        low = high = math.nan
    if not -math.inf < low < high < math.inf:
        raise ConfigurationError(
            f"--{name} is two numbers, the lower first, separated by a comma.",
            received=f"--{name}={text}",
            remedy=f"Use such as --{name}={_EXAMPLES[name]}.",
        )
    return low, high


_EXAMPLES = {"window": "-1000,400", "percentiles": "0.5,99.5"}


@dataclasses.dataclass(frozen=True)
class AugmentationConfig:
    """How training images are varied; not at all unless asked for, as in the paper."""

    augment_rotation: float = setting(
        0.0,
        "Largest angle by which images are turned, in degrees.",
        minimum=0,
        maximum=180,
        since=3,
    )
    augment_scaling: float = setting(
        0.0,
        "Largest change of size, as a fraction: 0.1 for 1 / 1.1 to 1.1 times.",
        minimum=0,
        since=3,
    )
    augment_shift: float = setting(
        0.0,
        "Largest shift in each direction, as a fraction of the side.",
        minimum=0,
        maximum=1,
        since=3,
    )
    augment_gamma: float = setting(
        0.0,
        "Largest change of the exponent of intensities, as a fraction: 0.2 for 1 / 1.2 to 1.2.",
        minimum=0,
        since=3,
    )
    augment_noise: float = setting(
        0.0,
        "Largest standard deviation of added noise, the brightest intensity being 1.",
        minimum=0,
        since=3,
    )
    augment_flip: bool = setting(
        False,
        "Mirror half of the images left to right; classes named left_... and right_... change "
        "places. A mirrored chest has its heart on the wrong side, so not for chests.",
        since=3,
    )

    def __post_init__(self):
        check_fields(self)
