"""Searches a discriminator, trains the segmenter against it, evaluates and exports.

python -m darts_adv_tf.search --backbone=unet
"""

from darts_adv_tf.cli.main import run
from darts_adv_tf.config import RunConfig


def main(config: RunConfig) -> None:
    """The main job; with `retrain_epochs` of 0 it ends once the genotype is derived."""
    from darts_adv_tf.run import stages
    from darts_adv_tf.run.components import Builder

    builder = Builder(config)
    stages.begin(builder)
    genotype = stages.search(builder)
    retrains = config.training.retrain_epochs > 0
    stages.conclude(builder, stages.retrain(builder, genotype) if retrains else None)


if __name__ == "__main__":
    run(main, "search")
