"""Searches a discriminator, trains the segmenter against it, evaluates and exports.

python -m darts_adv_tf.search --backbone=unet
"""

from pathlib import Path

from darts_adv_tf.cli.keywords import run_with_keywords
from darts_adv_tf.cli.main import run
from darts_adv_tf.config import RunConfig


def main(config: RunConfig) -> None:
    """The whole run; with `retrain_epochs` of 0 it ends once the genotype is derived."""
    from darts_adv_tf.run import stages

    with stages.begin(config) as parts:
        genotype = stages.search(parts)
        retrains = config.training.retrain_epochs > 0
        segmenter = stages.retrain(parts, genotype) if retrains else None
        stages.conclude(parts, segmenter)


def run_search(**settings: object) -> Path:
    """Searches a discriminator and retrains the segmenter against it, as the command does.

    Args:
        **settings: Values by the names of the command's flags, without dashes:
            `python -m darts_adv_tf.search --help` lists them. Others keep their defaults.

    Returns:
        The work directory: genotype.json, metrics.json, the exported segmenter and all else.

    Raises:
        UserError: As the command ends with, by subclass; its text is the command's message.

    Example:
        The smallest search there is; `run_search()` alone is the one of the README.

        >>> from darts_adv_tf import load_genotype, run_search
        >>> workdir = run_search(
        ...     workdir="runs/small_search", phantom_cases=8, train_cases=4, image_size=32,
        ...     batch_size=2, segmenter_width=2, discriminator_channels=2, discriminator_cells="R",
        ...     architecture_gradient="first_order", search_epochs=1, retrain_epochs=1,
        ... )
        >>> genotype = load_genotype(workdir / "genotype.json")
    """
    config = run_with_keywords(main, "search", settings)
    assert config.workdir is not None  # the flags' reader names a folder
    return Path(config.workdir)


if __name__ == "__main__":
    run(main, "search")
