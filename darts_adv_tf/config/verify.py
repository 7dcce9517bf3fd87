"""Configuration of the verify command: a data set, as a run would read it."""

import dataclasses

from darts_adv_tf.config.data import DataConfig
from darts_adv_tf.config.setting import check_fields, setting


@dataclasses.dataclass(frozen=True)
class VerifyConfig:
    """A data set to read, and the folder of the report.

    Args:
        data: The cases, how they are split and prepared.
        seed: Seed of the split and the phantom.
        workdir: Folder that the report is written to.

    Raises:
        ConfigurationError: A value breaks its rule.
    """

    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    seed: int = setting(
        0, "Seed of the split and the phantom.", minimum=0, maximum=2**32 - 1, essential=True
    )
    workdir: str | None = setting(
        None,
        "Folder for the report, new or empty. Default: runs/verify-<time>.",
        essential=True,
    )

    def __post_init__(self):
        check_fields(self)
