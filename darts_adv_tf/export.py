"""Writes the segmenter of a finished run as a SavedModel.

python -m darts_adv_tf.export --workdir=runs/search-<time>
"""

from darts_adv_tf.cli.main import run
from darts_adv_tf.config import RunConfig


def main(config: RunConfig) -> None:
    """Writes segmenter/1 anew, checked against the trained model."""
    from darts_adv_tf.run import stages

    print(stages.export(*stages.reopen(config)))


if __name__ == "__main__":
    run(main, "export")
