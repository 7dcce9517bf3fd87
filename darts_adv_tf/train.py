"""Trains a segmenter against a derived discriminator, or against none, evaluates and exports.

python -m darts_adv_tf.train --genotype=runs/search-<time>/genotype.json
"""

from pathlib import Path

from darts_adv_tf.command import run
from darts_adv_tf.config import RunConfig
from darts_adv_tf.genotype import GENOTYPE_FILE, load_genotype


def main(config: RunConfig) -> None:
    """Retraining alone, with a genotype from elsewhere."""
    # A resumed run has its own copy, and the file it came from may be gone.
    own = Path(config.workdir) / GENOTYPE_FILE
    path = own if config.genotype is not None and own.exists() else config.genotype
    genotype = None if path is None else load_genotype(path)

    from darts_adv_tf import stages
    from darts_adv_tf.builder import Builder

    builder = Builder(config)
    stages.begin(builder)
    if genotype is not None:
        stages.keep_genotype(builder, genotype)
    stages.conclude(builder, stages.retrain(builder, genotype))


if __name__ == "__main__":
    run(main, "train")
