"""Trains a segmenter against a given discriminator, or against none, evaluates and exports.

python -m darts_adv_tf.train --genotype=runs/search-<time>/genotype.json
"""

from darts_adv_tf.cli.main import run
from darts_adv_tf.config import RunConfig
from darts_adv_tf.run.given_architecture import given_genotype


def main(config: RunConfig) -> None:
    """Retraining alone, with a discriminator that needs no search."""
    genotype = given_genotype(config)

    from darts_adv_tf.run import stages
    from darts_adv_tf.run.components import Builder

    builder = Builder(config)
    stages.begin(builder)
    if genotype is not None:
        stages.keep_genotype(builder, genotype)
    stages.conclude(builder, stages.retrain(builder, genotype))


if __name__ == "__main__":
    run(main, "train")
