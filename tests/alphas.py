"""Alpha as a test needs it."""

from darts_adv_tf.search_space.alpha import Architecture
from darts_adv_tf.search_space.candidate_operations import PUBLISHED_OPERATIONS

NONE, SKIP, SEPARABLE = (
    PUBLISHED_OPERATIONS.index(p) for p in ("none", "skip_connect", "sep_conv_5x5")
)


def with_scores(normal, reduction) -> Architecture:
    architecture = Architecture()
    architecture.alpha_normal.assign(normal)
    architecture.alpha_reduction.assign(reduction)
    return architecture
