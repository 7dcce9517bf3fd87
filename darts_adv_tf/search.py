"""Searches a discriminator, trains the segmenter against it, evaluates and exports.

python -m darts_adv_tf.search --backbone=unet
"""

from darts_adv_tf.command import run
from darts_adv_tf.config import RunConfig


def main(config: RunConfig) -> None:
    """The main job; with `retrain_epochs` of 0 it ends once the genotype is derived."""
    from darts_adv_tf import stages
    from darts_adv_tf.builder import Builder
    from darts_adv_tf.reporting.closing_table import files_table, metrics_table, warnings_table

    builder = Builder(config)
    stages.begin(builder)
    genotype = stages.search(builder)
    if config.training.retrain_epochs:
        segmenter = stages.retrain(builder, genotype)
        print(metrics_table(stages.evaluate(builder, segmenter)))
        stages.export(builder, segmenter)
    print(warnings_table(stages.warnings(builder)), end="")
    print(files_table(config.workdir))


if __name__ == "__main__":
    run(main, "search")
