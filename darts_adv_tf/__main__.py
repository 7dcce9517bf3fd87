"""All commands under one name.

python -m darts_adv_tf search --backbone=unet
"""

import sys
from collections.abc import Sequence
from typing import NoReturn

from darts_adv_tf.cli.dispatch import dispatch


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Runs the command that the first argument names; lists the commands without one."""
    dispatch(sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    main()
