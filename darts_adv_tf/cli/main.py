"""The frame of every command: flags, messages, exit status."""

import errno
import os
import shlex
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from darts_adv_tf import cli
from darts_adv_tf.cli.reading import Config
from darts_adv_tf.cli.shipped_files import with_installed_paths
from darts_adv_tf.config import RunConfig
from darts_adv_tf.config.as_flags import as_flags
from darts_adv_tf.config.predict import PredictConfig
from darts_adv_tf.config.reproduce import ReproduceConfig
from darts_adv_tf.config.workdir import holds_run
from darts_adv_tf.system import interruption
from darts_adv_tf.system.errors import (
    CommunicationError,
    ConfigurationError,
    StorageError,
    UserError,
)

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
# It works in processes of their own, and would keep memory and GPUs from them.
_WITHOUT_TENSORFLOW = {"reproduce"}
_STORAGE_REMEDIES = {
    errno.ENOSPC: "Free space on that disk, or name a --workdir on another.",
    errno.EDQUOT: "Free space within your quota, or name a --workdir elsewhere.",
    errno.EACCES: "Give yourself permission to that path, or name a --workdir elsewhere.",
    errno.EPERM: "Give yourself permission to that path, or name a --workdir elsewhere.",
    errno.EROFS: "Name a --workdir on a disk that can be written.",
}


def run(main: Callable[[Any], None], command: str, argv: Sequence[str] | None = None) -> NoReturn:
    """Parses the command line, calls `main` and ends the process.

    With --estimate the run is measured instead.

    A command imports TensorFlow, and what needs it, inside its `main`, so that --help and a wrong
    flag are answered without it:

        if __name__ == "__main__":
            run(main, "search")

    Args:
        main: The command's work, a function of its configuration (`cli.reading.Config`).
        command: Its name, one of `cli.DESCRIPTIONS`.
        argv: The arguments after the program's name; by default those of the process.

    The exit status is 0 when done, that of a `UserError` (whose message goes to stderr), 6 when
    reading or writing failed, 130 or 143 when stopped by SIGINT or SIGTERM, and 1, with the
    traceback, for anything else.
    """
    arguments = sys.argv[1:] if argv is None else argv
    config = None
    try:
        interruption.install()
        if cli.is_help_requested(arguments):
            print_text(cli.help_text(command, cli.is_full_help_requested(arguments)))
            sys.exit(0)
        config = cli.config_from_flags(command, arguments)
        work = _estimate if cli.is_estimate_requested(command, arguments) else main
        if command not in _WITHOUT_TENSORFLOW:
            with _quiet_start():
                import tensorflow as tf

                tf.config.list_physical_devices()
        work(config)
    except interruption.Interrupted as stop:
        # Ctrl-C also ends a program that reads this, such as tee.
        with _without_broken_pipes():
            text = f"{command}: stopped by {stop.signal_name}. {_how_to_resume(command, config)}"
            print(text, file=sys.stderr, flush=True)
        sys.exit(stop.exit_status)
    except Exception as error:
        sys.exit(_report(command, error, config))
    sys.exit(0)


def _how_to_resume(command: str, config: Config | None) -> str:
    folder = getattr(config, "output_dir" if isinstance(config, PredictConfig) else "workdir", None)
    if folder is None or not os.path.exists(folder):
        return "Nothing was written."
    if isinstance(config, PredictConfig):
        return f"The results up to this point are in {folder}."
    if isinstance(config, ReproduceConfig):
        # Its default differs for this command.
        flags = as_flags(config, always={"test_every"})
        again = shlex.join(["python", "-m", f"darts_adv_tf.{command}", *flags])
        return f"Resume with: {again}"
    if not isinstance(config, RunConfig) or not holds_run(folder):
        return "Nothing was written."
    if command != config.command:
        return "Start it again."
    return f"Resume with: python -m darts_adv_tf.{config.command} --resume --workdir={folder}"


def _estimate(config: Config) -> None:
    assert isinstance(config, RunConfig)  # The others have no --estimate.
    from darts_adv_tf.run.estimation import estimate_run, estimate_table

    print(estimate_table(estimate_run(config)))


def print_text(text: str) -> None:
    """Prints a text whose reader may have seen enough before its end, as in --help | head."""
    with _without_broken_pipes():
        print(with_installed_paths(text), flush=True)


def _report(command: str, error: Exception, config: Config | None) -> int:
    """Prints what went wrong; returns the exit status."""
    has_workers = isinstance(config, RunConfig) and config.distribution.strategy == "multi_worker"
    message = error if isinstance(error, UserError) else _as_user_error(error, has_workers)
    if message is None:
        traceback.print_exception(error)
        return 1
    print(with_installed_paths(f"{command}: {message}"), file=sys.stderr)
    return message.exit_status


def _as_user_error(error: Exception, has_workers: bool) -> UserError | None:
    """Returns a message on failed file access, lack of memory or a lost worker; else None."""
    rule = "A file must be readable or writable."
    if isinstance(error, OSError):
        return StorageError(
            rule,
            received=error.strerror or error,
            file=error.filename,
            remedy=_STORAGE_REMEDIES.get(error.errno or 0),
        )
    if isinstance(error, MemoryError):
        return _lack_of_memory(error)
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None or not isinstance(error, tensorflow.errors.OpError):
        return None
    # TensorFlow reports a full disk under the same type as exhausted memory.
    reasons = {"No space left on device": errno.ENOSPC, "Permission denied": errno.EACCES}
    for reason, number in reasons.items():
        if reason in error.message:
            return StorageError(rule, received=error.message, remedy=_STORAGE_REMEDIES[number])
    of_lost_workers = ("UnavailableError", "DeadlineExceededError", "AbortedError")
    lost = tuple(getattr(tensorflow.errors, name) for name in of_lost_workers)
    if has_workers and isinstance(error, lost):
        return CommunicationError(
            "All workers of a run must run to its end.",
            received=error.message.partition("\n")[0],
            remedy="See why another worker has ended, then start all of them again with --resume.",
        )
    is_lack_of_memory = isinstance(error, tensorflow.errors.ResourceExhaustedError)
    return _lack_of_memory(error) if is_lack_of_memory else None


def _lack_of_memory(error: Exception) -> ConfigurationError:
    return ConfigurationError(
        "A training step must fit into memory.",
        received=str(error).splitlines()[0] if str(error) else type(error).__name__,
        remedy="Lower --batch_size, --image_size, --segmenter_width or --discriminator_channels.",
    )


@contextmanager
def _without_broken_pipes() -> Iterator[None]:
    """Ignores that the reader of the output has closed it."""
    try:
        yield
    except BrokenPipeError:
        # What is left in the buffers would raise again at the end of the process.
        for stream in (sys.stdout, sys.stderr):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def _quiet_start() -> Iterator[None]:
    """Holds back what TensorFlow's libraries write to stderr while they are loaded.

    On a machine without a GPU these are a dozen lines, most of them before the log level has an
    effect. They are shown if the user has set TF_CPP_MIN_LOG_LEVEL, or if loading fails.
    """
    if _LOG_LEVEL in os.environ:
        yield
        return
    # Errors too: TensorFlow logs a missing processor instruction as one, and raises an exception
    # for everything that matters.
    os.environ[_LOG_LEVEL] = "3"
    with tempfile.TemporaryFile() as held_back:
        sys.stderr.flush()
        stderr = os.dup(2)
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        except BaseException:
            held_back.seek(0)
            os.write(stderr, held_back.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
