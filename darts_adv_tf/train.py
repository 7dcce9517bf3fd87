"""Trains a segmenter against a derived discriminator, or against none, evaluates and exports.

python -m darts_adv_tf.train --genotype=runs/search-<time>/genotype.json
"""

from darts_adv_tf.command import run
from darts_adv_tf.config import RunConfig
from darts_adv_tf.genotype import load_genotype, save_genotype


def main(config: RunConfig) -> None:
    """Retraining alone, with a genotype from elsewhere."""
    genotype = None if config.genotype is None else load_genotype(config.genotype)

    from pathlib import Path

    from darts_adv_tf import stages
    from darts_adv_tf.builder import Builder
    from darts_adv_tf.reporting.closing_table import files_table, metrics_table
    from darts_adv_tf.reporting.genotype_figure import save_genotype_figures

    builder = Builder(config)
    stages.begin(builder)
    if genotype is not None:
        save_genotype(genotype, Path(config.workdir) / "genotype.json")
        save_genotype_figures(genotype, config.workdir)
    segmenter = stages.retrain(builder, genotype)
    print(metrics_table(stages.evaluate(builder, segmenter)))
    stages.export(builder, segmenter)
    print(files_table(config.workdir))


if __name__ == "__main__":
    run(main, "train")
