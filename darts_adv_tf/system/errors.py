"""Errors that a user can fix, each with the exit status of its command."""

from os import PathLike


class UserError(ValueError):
    """A mistake in the input of a command, reported as rule, received, file and remedy.

    Args:
        rule: What must be, in one sentence: "--inputs must name at least one image."
        received: What was found instead.
        file: The file or folder where it was found.
        remedy: What to do about it.

    Example:
        >>> print(DataError("Each image must have one mask per class.", received="no heart mask"))
        Each image must have one mask per class.
          Received: no heart mask
    """

    exit_status = 2

    def __init__(
        self,
        rule: str,
        *,
        received: object = None,
        file: str | PathLike | None = None,
        remedy: str | None = None,
    ):
        self.rule = rule
        self.received = received
        self.file = file
        self.remedy = remedy
        details = (("Received", received), ("File", file), ("Remedy", remedy))
        lines = [f"  {name}: {value}" for name, value in details if value is not None]
        super().__init__("\n".join([rule, *lines]))


class ConfigurationError(UserError):
    """A flag, a configuration or a genotype is wrong, or the work directory is in use."""

    exit_status = 2


class DataError(UserError):
    """The data set is missing, incomplete or cannot be read."""

    exit_status = 3


class NonFiniteError(UserError):
    """A loss or a gradient is no longer finite."""

    exit_status = 4


class CheckpointError(UserError):
    """A checkpoint is missing, damaged, or belongs to another configuration."""

    exit_status = 5


class StorageError(UserError):
    """Reading or writing failed: a full disk, missing permission, a broken device."""

    exit_status = 6


class CommunicationError(UserError):
    """Another machine of the run cannot be reached."""

    exit_status = 6
