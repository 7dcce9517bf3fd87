"""Makes the runs of the paper's experiments and reports what held.

python -m darts_adv_tf.reproduce --experiment=table --backbones=unet --seeds=0,1,2
"""

import sys

from darts_adv_tf.cli.main import run
from darts_adv_tf.config.reproduce import ReproduceConfig


def main(config: ReproduceConfig) -> None:
    """Makes what has not been made, writes the report; the status is that of a failed run."""
    from darts_adv_tf.reproduction.reproducing import reproduce

    sys.exit(reproduce(config))


if __name__ == "__main__":
    run(main, "reproduce")
