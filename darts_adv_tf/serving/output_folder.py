"""The folder that a command other than a run writes to."""

import os
from pathlib import Path

from darts_adv_tf.system.errors import ConfigurationError


def refuse_occupied_output(folder: str | os.PathLike) -> None:
    """Checks that results may be written there.

    Raises:
        ConfigurationError: It holds files already, or is a file.
    """
    path = Path(folder)
    if path.is_dir():
        received = "a folder that holds other files" if any(path.iterdir()) else None
    else:
        received = "a file" if os.path.lexists(path) else None
    if received is not None:
        raise ConfigurationError(
            "--output_dir must be new or empty.",
            received=f"--output_dir={folder}, {received}",
            file=path,
            remedy="Name another --output_dir, or leave it out for runs/<command>-<time>.",
        )
