"""What a run is made of: frozen, and validated when made.

Every field carries its help text, which states its unit and its place in the paper (Dong et al.,
MICCAI 2019), and the rule that its value has to keep. The flags of the commands take names,
defaults, choices and help from here.
"""

from darts_adv_tf.config.data import DATASETS, AugmentationConfig, DataConfig
from darts_adv_tf.config.model import ModelConfig
from darts_adv_tf.config.reliability import CollapseConfig, ReliabilityConfig
from darts_adv_tf.config.run import RunConfig
from darts_adv_tf.config.training import DistributionConfig, TrainingConfig

__all__ = [
    "DATASETS",
    "AugmentationConfig",
    "CollapseConfig",
    "DataConfig",
    "DistributionConfig",
    "ModelConfig",
    "ReliabilityConfig",
    "RunConfig",
    "TrainingConfig",
]
