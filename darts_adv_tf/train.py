"""Trains a segmenter against a given discriminator, or against none, evaluates and exports.

python -m darts_adv_tf.train --genotype=runs/search-<time>/genotype.json
"""

from pathlib import Path

from darts_adv_tf.cli.keywords import run_with_keywords
from darts_adv_tf.cli.main import run
from darts_adv_tf.config import RunConfig


def main(config: RunConfig) -> None:
    """Retraining alone, with a discriminator that needs no search."""
    from darts_adv_tf.run import stages

    genotype = stages.load_or_draw_genotype(config)
    with stages.begin(config) as parts:
        if genotype is not None:
            stages.save_architecture(parts, genotype)
        stages.conclude(parts, stages.retrain(parts, genotype))


def run_train(**settings: object) -> Path:
    """Trains a segmenter with a given discriminator, or with none, as the command does.

    Args:
        **settings: As `run_search`, by the flags of `python -m darts_adv_tf.train --help`.

    Returns:
        The work directory.

    Raises:
        UserError: As the command ends with, by subclass.

    Example:
        >>> from darts_adv_tf import run_train
        >>> run_train(
        ...     workdir="runs/small", discriminator="none", phantom_cases=8, train_cases=4,
        ...     image_size=32, batch_size=2, segmenter_width=2, retrain_epochs=1,
        ... )
        PosixPath('runs/small')
    """
    config = run_with_keywords(main, "train", settings)
    assert config.workdir is not None  # the flags' reader names a folder
    return Path(config.workdir)


if __name__ == "__main__":
    run(main, "train")
