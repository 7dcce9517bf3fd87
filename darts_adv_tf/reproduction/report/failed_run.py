"""A run of the matrix that ended without its files."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class FailedRun:
    """What is known of a run that failed.

    Attributes:
        name: As in the matrix, such as `unet/seed_0/nas`.
        message: Its last words.
        log: Where all of its words are.
    """

    name: str
    message: str
    log: str
