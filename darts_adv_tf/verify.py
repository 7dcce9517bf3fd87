"""Reads a whole data set as training would, and reports what is wrong with it.

python -m darts_adv_tf.verify --dataset=cx_seg --data_dir=<folder>
"""

from darts_adv_tf.cli.main import run
from darts_adv_tf.config.verify import VerifyConfig


def main(config: VerifyConfig) -> None:
    """Writes report.html and findings.csv; an error if an issue is fatal."""
    from darts_adv_tf.run.verification import verify

    verify(config)


if __name__ == "__main__":
    run(main, "verify")
