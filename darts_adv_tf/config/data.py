"""Which images, how they are split, and how they are prepared."""

import dataclasses

from darts_adv_tf.config.setting import check_fields, setting, settings_of
from darts_adv_tf.config.text_form import NAMES, NUMBER_PAIR
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
"""Like the paper's two data sets: one scanner, and many hospitals."""


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Which cases, how they are split (paper, section 3.2), and how images are prepared."""

    dataset: str = setting(
        "phantom",
        "Data set: the built-in phantom, the layout of the folder --data_dir (docs/datasets.md), "
        "or <module>:<function>, your own reader of that folder (docs/extending.md).",
        choices=DATASETS,
        or_entry_point=True,
        essential=True,
        known_as=("dataset_name", "task"),
    )
    data_dir: str | None = setting(
        None,
        "Folder of the data set. Not for the phantom.",
        may_change=True,
        essential=True,
        known_as=("data", "data_path", "dataset_dir", "data_root"),
    )
    classes: tuple[str, ...] | None = setting(
        None,
        "Names of the foreground classes, separated by commas; by default all that the data set "
        "has. Required for folders with index masks, in the order of their values.",
        text=NAMES,
        essential=True,
        known_as=("num_classes", "labels", "organs"),
    )
    image_size: int = setting(
        64,
        "Side of the square that images are resized to, in pixels. Paper: 512.",
        minimum=1,
        essential=True,
        known_as=("img_size", "input_size", "patch_size", "size", "resolution"),
    )
    keep_aspect: bool = setting(False, "Pad images to a square instead of stretching them.")
    normalization: str = setting(
        "range",
        "Intensities that are mapped to 0 and 1: range, 0 and the largest value of the file "
        "format; window, those of --window; percentile, those of --percentiles in each image. "
        "Not stated in the paper.",
        choices=("range", "window", "percentile"),
    )
    window: tuple[float, float] | None = setting(
        None,
        "Lowest and highest stored intensity, <low>,<high>. Only for --normalization=window.",
        text=dataclasses.replace(NUMBER_PAIR, example="-1000,400"),
    )
    percentiles: tuple[float, float] = setting(
        (0.5, 99.5),
        "Lowest and highest percentile, <low>,<high>. Only for --normalization=percentile.",
        text=NUMBER_PAIR,
        only_with=("normalization", "percentile"),
    )
    split: str = setting(
        "random",
        "How cases are split: random, --train_cases drawn with the seed; folds, part --fold of "
        "--num_folds is the test set; source, the data set's own fold --fold is. All cases of a "
        "patient stay together.",
        choices=("random", "folds", "source"),
        known_as=("splits",),
    )
    num_folds: int = setting(
        5, "Number of folds of --split=folds.", minimum=2, only_with=("split", "folds")
    )
    fold: int = setting(0, "Fold that is used as the test set, from 0.", minimum=0)
    cases: str | None = setting(
        None,
        "CSV file with your own split: columns case, split (train, val or test) and optionally "
        "patient. Cases that are not listed are left out; without val, the training cases are "
        "halved with the seed.",
        may_change=True,
    )
    train_cases: int = setting(
        32,
        "Number of training cases of --split=random, halved into train and val for the search. "
        "All other cases are for testing. Paper: 50.",
        minimum=2,
        only_with=("split", "random"),
        essential=True,
    )
    phantom_cases: int = setting(
        80, "Number of phantom cases. Phantom only.", minimum=3, only_with=("dataset", "phantom")
    )
    phantom_domain: str = setting(
        "uniform",
        "Phantom acquisition: uniform (one scanner) or mixed (many sites). Phantom only.",
        choices=PHANTOM_DOMAINS,
        only_with=("dataset", "phantom"),
    )

    def __post_init__(self):
        check_fields(self)
        if self.dataset == "phantom":
            if self.data_dir is not None:
                raise ConfigurationError(
                    "--data_dir must not be given for the phantom, which has no folder.",
                    received=f"--dataset=phantom --data_dir={self.data_dir}",
                    remedy="Name the data set too, as --dataset=cx_seg, or leave out --data_dir.",
                )
            if self.draws_cases and self.train_cases >= self.phantom_cases:
                raise ConfigurationError(
                    "At least one case must be left for testing.",
                    received=f"--train_cases={self.train_cases} "
                    f"--phantom_cases={self.phantom_cases}",
                    remedy="Raise --phantom_cases or lower --train_cases.",
                )
        elif self.data_dir is None:
            raise ConfigurationError(
                "--data_dir must be given for every data set but the phantom.",
                received=f"--dataset={self.dataset} without --data_dir",
                remedy="Add --data_dir=<folder>.",
            )
        if self.train_cases % 2:
            raise ConfigurationError(
                "--train_cases must be even: the search halves them into train and val.",
                received=f"--train_cases={self.train_cases}",
                remedy=f"Use --train_cases={self.train_cases - 1} or {self.train_cases + 1}.",
            )
        self._check_split()
        self._check_normalization()

    @property
    def draws_cases(self) -> bool:
        """Whether `train_cases` are drawn with the seed."""
        return self.split == "random" and self.cases is None

    def _check_split(self):
        if self.cases is not None and self.split != "random":
            raise ConfigurationError(
                "--cases must not be combined with --split: the table is a split of its own.",
                received=f"--cases={self.cases} --split={self.split}",
                remedy="Leave out one of the two.",
            )
        if self.split == "random" and self.fold:
            raise ConfigurationError(
                "--fold must be given with --split=folds or --split=source.",
                received=f"--fold={self.fold} without either",
                remedy="Add --split=folds.",
            )
        if self.split == "folds" and self.fold >= self.num_folds:
            raise ConfigurationError(
                "--fold must be less than --num_folds: folds are counted from 0.",
                received=f"--fold={self.fold} --num_folds={self.num_folds}",
                remedy=f"Use --fold={self.num_folds - 1} or less.",
            )

    def _check_normalization(self):
        window, percentiles = (
            settings_of(self)[name].plain(getattr(self, name)) for name in ("window", "percentiles")
        )
        if (self.normalization == "window") != (window is not None):
            raise ConfigurationError(
                "--normalization=window and --window=<low>,<high> must be given together.",
                received=f"--normalization={self.normalization}, "
                + ("no --window" if window is None else f"--window={window}"),
                remedy="Give both, or neither.",
            )
        low, high = self.percentiles
        if low < 0 or high > 100:
            raise ConfigurationError(
                "--percentiles must be from 0 to 100.",
                received=f"--percentiles={percentiles}",
                remedy="Use such as --percentiles=0.5,99.5.",
            )


@dataclasses.dataclass(frozen=True)
class AugmentationConfig:
    """How training images are varied. Off by default, as in the paper."""

    augment_rotation: float = setting(0.0, "Largest rotation, in degrees.", minimum=0, maximum=180)
    augment_scaling: float = setting(
        0.0,
        "Largest change of scale, as a fraction: 0.1 scales by 1/1.1 to 1.1.",
        minimum=0,
    )
    augment_shift: float = setting(
        0.0,
        "Largest shift in each direction, as a fraction of the image side.",
        minimum=0,
        maximum=1,
    )
    augment_gamma: float = setting(
        0.0,
        "Largest change of gamma, as a fraction: 0.2 raises intensities to a power of 1/1.2 to "
        "1.2.",
        minimum=0,
    )
    augment_noise: float = setting(
        0.0,
        "Largest standard deviation of the added noise, for intensities from 0 to 1.",
        minimum=0,
    )
    augment_flip: bool = setting(
        False,
        "Mirror half of the images left to right; classes named left_... and right_... are "
        "swapped. Not for chests: a mirrored one has its heart on the wrong side.",
    )

    def __post_init__(self):
        check_fields(self)
