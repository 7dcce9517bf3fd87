"""What every command does around its own work: flags, messages, exit status."""

import errno
import os
import shlex
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from darts_adv_tf import cli as run_flags
from darts_adv_tf.cli.shipped_files import with_installed_paths
from darts_adv_tf.config import RunConfig
from darts_adv_tf.config.as_flags import as_flags
from darts_adv_tf.config.predict import PredictConfig
from darts_adv_tf.config.reproduce import ReproduceConfig
from darts_adv_tf.config.verify import VerifyConfig
from darts_adv_tf.config.workdir import holds_run
from darts_adv_tf.system import interruption
from darts_adv_tf.system.errors import (
    CommunicationError,
    ConfigurationError,
    StorageError,
    UserError,
)

Config = RunConfig | PredictConfig | VerifyConfig | ReproduceConfig

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
# It has the work done by processes of their own, and would keep memory and GPUs from them.
_WITHOUT_TENSORFLOW = {"reproduce"}
_STORAGE_REMEDIES = {
    errno.ENOSPC: "Free space on that disk, or name a --workdir on another.",
    errno.EDQUOT: "Free space within your quota, or name a --workdir elsewhere.",
    errno.EACCES: "Give yourself permission to that path, or name a --workdir elsewhere.",
    errno.EPERM: "Give yourself permission to that path, or name a --workdir elsewhere.",
    errno.EROFS: "Name a --workdir on a disk that can be written.",
}


def run(
    main: Callable[[RunConfig], None]
    | Callable[[PredictConfig], None]
    | Callable[[VerifyConfig], None]
    | Callable[[ReproduceConfig], None],
    command: str,
    argv: Sequence[str] | None = None,
) -> NoReturn:
    """Parses the command line, calls `main` and ends the process.

    With --estimate the run is measured in place of `main`.

    A command imports TensorFlow, and what needs it, inside its `main`, so that --help and a wrong
    flag are answered without it:

        if __name__ == "__main__":
            run(main, "search")

    Args:
        main: The command's work.
        command: Its name, one of `run_flags.DESCRIPTIONS`.
        argv: The arguments after the program's name; the process's own unless given.

    The exit status is 0 when done, that of a `UserError` (whose message goes to stderr), 6 when
    reading or writing failed, 130 or 143 when stopped by SIGINT or SIGTERM, and 1, with the
    traceback, for anything else.
    """
    arguments = sys.argv[1:] if argv is None else argv
    config = None
    try:
        interruption.install()
        if run_flags.is_help_requested(arguments):
            _print_help(command)
            sys.exit(0)
        config = run_flags.config_from_flags(command, arguments)
        work = _estimate if run_flags.is_estimate_requested(command, arguments) else main
        if command not in _WITHOUT_TENSORFLOW:
            with _quiet_start():
                import tensorflow as tf

                tf.config.list_physical_devices()
        work(config)
    except interruption.Interrupted as stop:
        # Ctrl-C ends whoever reads this as well, such as tee.
        with _without_broken_pipes():
            text = f"{command}: stopped by {stop.signal_name}. {_how_to_go_on(command, config)}"
            print(text, file=sys.stderr, flush=True)
        sys.exit(stop.exit_status)
    except Exception as error:
        sys.exit(_report(command, error, config))
    sys.exit(0)


def _how_to_go_on(command: str, config: Config | None) -> str:
    if isinstance(config, PredictConfig) and os.path.exists(config.output_dir):
        return f"What was done by then lies in {config.output_dir}."
    if isinstance(config, ReproduceConfig) and os.path.exists(config.workdir):
        # Its default is another for this command.
        flags = as_flags(config, always={"test_every"})
        again = shlex.join(["python", "-m", f"darts_adv_tf.{command}", *flags])
        return f"Go on by: {again}"
    if not isinstance(config, RunConfig) or not holds_run(config.workdir):
        return "Nothing was written."
    if command != config.command:
        return "Start it again."
    return f"Go on by: python -m darts_adv_tf.{config.command} --resume --workdir={config.workdir}"


def _estimate(config: RunConfig) -> None:
    from darts_adv_tf.run.estimation import estimate_run, estimate_table

    print(estimate_table(estimate_run(config)))


def _print_help(command: str) -> None:
    # The reader may have seen enough, as in --help | head.
    with _without_broken_pipes():
        print(with_installed_paths(run_flags.help_text(command)), flush=True)


def _report(command: str, error: Exception, config: Config | None) -> int:
    """Tells the user what went wrong; returns the exit status."""
    is_run = isinstance(config, RunConfig)
    has_workers = is_run and config.distribution.strategy == "multi_worker"
    message = error if isinstance(error, UserError) else _as_user_error(error, has_workers)
    if message is None:
        traceback.print_exception(error)
        return 1
    print(with_installed_paths(f"{command}: {message}"), file=sys.stderr)
    return message.exit_status


def _as_user_error(error: Exception, has_workers: bool) -> UserError | None:
    """Lack of memory, failed reading or writing, a lost worker, as the user is told; else None."""
    rule = "Reading and writing files has to succeed."
    if isinstance(error, OSError):
        return StorageError(
            rule,
            received=error.strerror or error,
            file=error.filename,
            remedy=_STORAGE_REMEDIES.get(error.errno),
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
            "All workers of a run work together to its end.",
            received=error.message.partition("\n")[0],
            remedy="See why another one has ended, then start all of them again with --resume.",
        )
    is_lack_of_memory = isinstance(error, tensorflow.errors.ResourceExhaustedError)
    return _lack_of_memory(error) if is_lack_of_memory else None


def _lack_of_memory(error: Exception) -> ConfigurationError:
    return ConfigurationError(
        "A step has to fit into memory.",
        received=str(error).splitlines()[0] if str(error) else type(error).__name__,
        remedy="Lower --batch_size, --image_size, --segmenter_width or --discriminator_channels.",
    )


@contextmanager
def _without_broken_pipes() -> Iterator[None]:
    """Gives up what nobody reads any more."""
    try:
        yield
    except BrokenPipeError:
        # What is left in the buffers would raise again at the end of the process.
        for stream in (sys.stdout, sys.stderr):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def _quiet_start() -> Iterator[None]:
    """Holds back what TensorFlow's libraries write to stderr while they are loaded.

    A dozen lines on any machine without a GPU, most of them before the log level counts. With
    TF_CPP_MIN_LOG_LEVEL set by the user everything is shown; if loading fails, so is what was
    held back.
    """
    if _LOG_LEVEL in os.environ:
        yield
        return
    # Errors too: TensorFlow logs as such that a processor lacks some instruction, and raises what
    # matters as an exception besides.
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
