"""SIGINT (Ctrl-C) and SIGTERM in a long program: finish the step, save, exit with 130 or 143.

The handler raises or takes note, in the main thread and so not before that is back from C++. The
watcher, a thread, sees every signal at once, and only it ends the process by force.
"""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM)
# What a program that does not defer the first signal may take to end by its own.
GRACE_SECONDS = 2.0
# So soon it is the first signal again: timeout(1) sends to its command, then to its group.
ECHO_SECONDS = 0.1

_undo_install = contextlib.ExitStack()
# The first signal, once its handler has run.
_handled: int | None = None
# The one that has begun. It stays if a signal came: also what follows may then take its time.
_deferral: "Deferral | None" = None


class Interrupted(BaseException):
    """A signal asks the program to end; no Exception, which would be taken for an error."""

    def __init__(self, signal_number: int):
        self.signal_number = signal_number
        self.signal_name = signal.Signals(signal_number).name
        super().__init__(self.signal_name)

    @property
    def exit_status(self) -> int:
        return 128 + self.signal_number


class Deferral:
    """What `deferral` gives to a loop that finishes its step before it ends."""

    def __init__(self):
        self._signal_number: int | None = None

    def begin(self) -> None:
        """From now on a signal is noted; until now it raises `Interrupted`."""
        global _deferral
        if _handled is not None and _deferral is not self:
            raise Interrupted(_handled)  # Once more, since something has swallowed it.
        assert _deferral in (None, self), "deferrals are not nested"
        _deferral = self

    @property
    def is_requested(self) -> bool:
        return self._signal_number is not None

    def request(self, signal_number: int) -> None:
        """Notes a signal, such as one that another machine has received; the first one counts."""
        if not self.is_requested:
            self._signal_number = signal_number

    def interrupt(self) -> None:
        """Raises `Interrupted` for the signal noted."""
        raise Interrupted(self._signal_number)


@contextlib.contextmanager
def deferral() -> Iterator[Deferral]:
    """Lets a loop finish its step and save, after `begin`, when `is_requested`.

    Raises:
        Interrupted: At the end, for a signal that was noted; another exception goes first.
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
    """Answers both signals from now on. To be called in the main thread, which is interrupted."""
    if signal.getsignal(signal.SIGTERM) is _handle:
        return
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    previous = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    watcher = threading.Thread(target=_watch, args=(receiver,), daemon=True)
    watcher.start()
    # Undone from the last to the first; without its sender the watcher returns.
    _undo_install.callback(watcher.join)
    _undo_install.callback(sender.close)
    _undo_install.callback(signal.set_wakeup_fd, previous)
    for number in SIGNALS:
        _undo_install.callback(signal.signal, number, signal.signal(number, _handle))


def uninstall() -> None:
    """Restores what `install` replaced and forgets the signals that came."""
    global _deferral, _handled
    _undo_install.close()
    _deferral = _handled = None


@contextlib.contextmanager
def left_to_the_system() -> Iterator[None]:
    """Lets a signal end the process at once, without a word.

    Around calls of libraries that keep all of Python waiting, `Interrupted` and watcher included.
    """
    previous = [signal.signal(number, signal.SIG_DFL) for number in SIGNALS]
    try:
        yield
    finally:
        for number, handler in zip(SIGNALS, previous, strict=True):
            signal.signal(number, handler)


def _handle(signal_number: int, frame: object) -> None:
    global _handled
    if _handled is None:  # Of the second the watcher takes care.
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
            received = b"\0"  # No signal, but the grace goes on.
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
            # Asked for only now: a deferral may have begun between the signal and its handler.
            if (is_ours and age > ECHO_SECONDS) or (age > GRACE_SECONDS and _deferral is None):
                os._exit(first.exit_status)


def _announce(signal_name: str) -> None:
    text = "finishing the step in progress, then saving; once more to exit at once"
    # Not through sys.stderr, whose lock a daemon thread must not hold when the interpreter ends.
    # And perhaps to nobody: with `2>&1 | tee log` Ctrl-C ends tee too.
    with contextlib.suppress(OSError):
        os.write(2, f"\n{signal_name}: {text}\n".encode())
