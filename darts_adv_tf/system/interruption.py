"""SIGINT (Ctrl-C) and SIGTERM in a long program: finish the step, save, exit with 130 or 143.

The handler raises or notes the signal. It runs in the main thread, so not before that returns from
C++. The watcher, a thread, sees every signal at once; only it ends the process by force.
"""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Time for a program to end by itself if it does not defer the first signal.
GRACE_SECONDS = 2.0
# A repetition within this time is the same signal: timeout(1) sends it to its command, then to
# its group.
ECHO_SECONDS = 0.1

_undo_install = contextlib.ExitStack()
# The first signal, once its handler has run.
_handled: int | None = None
# The one in progress. It is kept after a signal, so that what follows is not ended by force.
_deferral: "Deferral | None" = None


class Interrupted(BaseException):
    """A signal asks the program to end. Not an Exception, which would be handled as an error."""

    def __init__(self, signal_number: int):
        self.signal_number = signal_number
        self.signal_name = signal.Signals(signal_number).name
        super().__init__(self.signal_name)

    @property
    def exit_status(self) -> int:
        return 128 + self.signal_number


class Deferral:
    """Lets a loop finish its step before the program ends; made by `deferral`."""

    def __init__(self):
        self._signal_number: int | None = None

    def begin(self) -> None:
        """Notes signals from now on; before, they raise `Interrupted`."""
        global _deferral
        if _handled is not None and _deferral is not self:
            raise Interrupted(_handled)  # Again: something has swallowed the first one.
        assert _deferral in (None, self), "deferrals are not nested"
        _deferral = self

    @property
    def is_requested(self) -> bool:
        return self._signal_number is not None

    def request(self, signal_number: int) -> None:
        """Notes a signal, such as one that another machine has received; only the first counts."""
        if not self.is_requested:
            self._signal_number = signal_number

    def interrupt(self) -> None:
        """Raises `Interrupted` for the signal that was noted."""
        assert self._signal_number is not None
        raise Interrupted(self._signal_number)


@contextlib.contextmanager
def deferral() -> Iterator[Deferral]:
    """Lets a loop finish its step and save, after `begin`, when `is_requested`.

    Raises:
        Interrupted: At the end, for a signal that was noted, unless another exception is raised.
    """
    global _deferral
    stop = Deferral()
    try:
        yield stop
    finally:
        if _handled is None:
            _deferral = None
    if stop.is_requested:
        stop.interrupt()


def install() -> None:
    """Handles both signals from now on. Must be called in the main thread."""
    if signal.getsignal(signal.SIGTERM) is _handle:
        return
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    previous = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    watcher = threading.Thread(target=_watch, args=(receiver,), daemon=True)
    watcher.start()
    # Undone in reverse order; without its sender the watcher returns.
    _undo_install.callback(watcher.join)
    _undo_install.callback(sender.close)
    _undo_install.callback(signal.set_wakeup_fd, previous)
    for number in SIGNALS:
        _undo_install.callback(signal.signal, number, signal.signal(number, _handle))


def uninstall() -> None:
    """Restores the previous handlers and forgets all signals received."""
    global _deferral, _handled
    _undo_install.close()
    _deferral = _handled = None


@contextlib.contextmanager
def left_to_the_system() -> Iterator[None]:
    """Lets a signal end the process at once, without a message.

    For library calls that block all of Python, including the handler and the watcher.
    """
    previous = [signal.signal(number, signal.SIG_DFL) for number in SIGNALS]
    try:
        yield
    finally:
        for number, handler in zip(SIGNALS, previous, strict=True):
            signal.signal(number, handler)


def _handle(signal_number: int, frame: object) -> None:
    global _handled
    if _handled is None:  # The watcher handles the second one.
        _handled = signal_number
        if _deferral is None:
            raise Interrupted(signal_number)
        _deferral.request(signal_number)


def _watch(receiver: socket.socket) -> None:
    first = None
    while True:
        try:
            received = receiver.recv(1)
        except TimeoutError:
            received = b"\0"  # No signal, but the grace period continues.
        if not received:
            receiver.close()
            return
        is_ours = received[0] in SIGNALS
        if first is None and is_ours:
            first, arrival = Interrupted(received[0]), time.monotonic()
            receiver.settimeout(ECHO_SECONDS)
            if _deferral is not None:
                _announce(first.signal_name)
        elif first is not None:
            age = time.monotonic() - arrival
            # Checked only now: a deferral may have begun between the signal and its handler.
            if (is_ours and age > ECHO_SECONDS) or (age > GRACE_SECONDS and _deferral is None):
                os._exit(first.exit_status)


def _announce(signal_name: str) -> None:
    text = "finishing the step in progress, then saving; once more to exit at once"
    # Not through sys.stderr, whose lock a daemon thread must not hold when the interpreter ends.
    # The reader may be gone: with `2>&1 | tee log` Ctrl-C also ends tee.
    with contextlib.suppress(OSError):
        os.write(2, f"\n{signal_name}: {text}\n".encode())
