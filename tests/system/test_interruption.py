"""What SIGINT and SIGTERM do to a program, in processes of their own."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from darts_adv_tf.system import interruption
from darts_adv_tf.system.interruption import Interrupted, deferral

REPOSITORY = str(Path(__file__).parents[2])

# Calls main() as a command does. For a step in C++ stands a C call that leaves the interpreter to
# other threads and that no signal cuts short, as it would a sleep: minutes, or what is said.
FRAME = """
import hashlib, os, signal, sys, threading, time
from darts_adv_tf.system import interruption
from darts_adv_tf.system.interruption import Interrupted, deferral

def tell(text):
    print(text, flush=True)

def step_in_c(iterations=1_000_000_000):
    hashlib.pbkdf2_hmac("sha256", b"", b"", iterations)

{main}

interruption.install()
try:
    main()
except Interrupted as interrupted:
    tell("ended by " + interrupted.signal_name)
    sys.exit(interrupted.exit_status)
"""
LOOP = """
def main():
    with deferral() as stop:
        stop.begin()
        tell("ready")
        for step in range(50):
            time.sleep(0.3)
            tell("step")
            if stop.is_requested:
                tell("saved")
                stop.interrupt()
"""
ANNOUNCEMENT = "{}: finishing the step in progress, then saving; once more to exit at once\n"

both_signals = pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)


class Program:
    """A script that runs and has told that it is ready."""

    def __init__(self, main: str, stderr: int):
        script = FRAME.format(main=textwrap.dedent(main))
        self.process = subprocess.Popen(
            [sys.executable, "-c", script],
            stdout=subprocess.PIPE,
            stderr=stderr,
            cwd=REPOSITORY,
            text=True,
        )
        assert self.process.stdout.readline() == "ready\n"
        # Ready comes just before what is to be interrupted.
        time.sleep(0.1)

    def receive(self, number: int) -> None:
        self.received = time.monotonic()
        self.process.send_signal(number)

    def read_announcement(self, number: int) -> None:
        assert self.process.stderr.readline() == "\n"
        assert self.process.stderr.readline() == ANNOUNCEMENT.format(signal.Signals(number).name)

    def end(self) -> int:
        """Waits for the exit status; keeps what was printed and the seconds since the signal."""
        self.out, self.err = self.process.communicate(timeout=60)
        self.seconds = time.monotonic() - self.received
        return self.process.returncode


@contextlib.contextmanager
def running(main: str, stderr: int = subprocess.PIPE):
    program = Program(main, stderr)
    try:
        yield program
    finally:
        program.process.kill()
        program.process.communicate()


@both_signals
def test_before_the_first_step_the_program_ends_at_once(number, status):
    main = """
    def main():
        with deferral():
            try:
                tell("ready")
                time.sleep(10)
            except Exception:
                tell("swallowed")
            finally:
                tell("cleaned up")
    """
    with running(main) as program:
        program.receive(number)

        assert program.end() == status
        assert program.out == f"cleaned up\nended by {signal.Signals(number).name}\n"
        assert program.err == ""


@both_signals
def test_in_training_the_step_is_finished_and_saved(number, status):
    with running(LOOP) as program:
        program.receive(number)
        program.read_announcement(number)

        assert program.end() == status
        assert program.out.endswith(f"step\nsaved\nended by {signal.Signals(number).name}\n")
        assert program.err == ""


def test_a_step_in_c_and_a_writer_have_more_time_than_the_grace():
    main = """
    interruption.GRACE_SECONDS = 0.1

    def write():
        time.sleep(1)
        tell("written")

    def main():
        with deferral() as stop:
            stop.begin()
            tell("ready")
            step_in_c(2_000_000)
            threading.Thread(target=write).start()
            stop.interrupt()
    """
    with running(main) as program:
        program.receive(signal.SIGTERM)
        program.read_announcement(signal.SIGTERM)

        assert program.end() == 143
        assert program.out == "ended by SIGTERM\nwritten\n"
        assert program.seconds > 1


def test_the_second_signal_ends_a_step_in_c():
    main = """
    interruption.GRACE_SECONDS = 0.1

    def main():
        with deferral() as stop:
            stop.begin()
            tell("ready")
            step_in_c()
    """
    with running(main) as program:
        program.receive(signal.SIGTERM)
        program.read_announcement(signal.SIGTERM)
        time.sleep(0.5)
        assert program.process.poll() is None
        program.receive(signal.SIGINT)

        assert program.end() == 143
        assert (program.out, program.err) == ("", "")
        assert program.seconds < 1


def test_the_second_signal_ends_what_follows_training():
    main = """
    def main():
        try:
            with deferral() as stop:
                stop.begin()
                os.kill(os.getpid(), signal.SIGINT)
                stop.interrupt()
        finally:
            tell("ready")
            time.sleep(10)
            tell("slept")
    """
    with running(main) as program:
        program.read_announcement(signal.SIGINT)
        time.sleep(0.1)
        program.receive(signal.SIGINT)

        assert program.end() == 130
        assert program.out == ""
        assert program.seconds < 1


def test_a_call_of_c_that_nothing_defers_has_the_grace():
    main = """
    def main():
        tell("ready")
        step_in_c()
    """
    with running(main) as program:
        program.receive(signal.SIGINT)

        assert program.end() == 130
        assert (program.out, program.err) == ("", "")
        assert 2 <= program.seconds < 3


def test_two_signals_in_a_moment_are_one():
    with running("interruption.ECHO_SECONDS = 2\n" + LOOP) as program:
        program.receive(signal.SIGTERM)
        program.read_announcement(signal.SIGTERM)
        program.receive(signal.SIGTERM)

        assert program.end() == 143
        assert program.out.endswith("step\nsaved\nended by SIGTERM\n")


def test_two_signals_in_a_moment_do_not_disturb_the_end():
    main = """
    interruption.ECHO_SECONDS = 2

    def main():
        try:
            tell("ready")
            time.sleep(10)
        finally:
            tell("cleaning up")
            time.sleep(0.5)
            tell("cleaned up")
    """
    with running(main) as program:
        program.receive(signal.SIGTERM)
        assert program.process.stdout.readline() == "cleaning up\n"
        program.receive(signal.SIGTERM)

        assert program.end() == 143
        assert program.out == "cleaned up\nended by SIGTERM\n"


def test_other_signals_do_not_count():
    main = """
    interruption.ECHO_SECONDS = 0.01
    signal.signal(signal.SIGUSR1, lambda number, frame: tell("user"))
    """
    with running(textwrap.dedent(main) + LOOP.replace("0.3", "1")) as program:
        program.process.send_signal(signal.SIGUSR1)
        assert program.process.stdout.readline() == "user\n"
        program.receive(signal.SIGTERM)
        program.read_announcement(signal.SIGTERM)
        time.sleep(0.05)
        program.process.send_signal(signal.SIGUSR1)

        assert program.end() == 143
        assert program.out == "user\nstep\nsaved\nended by SIGTERM\n"


def test_a_deferral_that_begins_before_the_handler_has_run_counts():
    main = """
    interruption.GRACE_SECONDS = 0.1

    def main():
        descriptor = signal.set_wakeup_fd(-1)
        with deferral() as stop:
            os.write(descriptor, bytes([signal.SIGTERM]))
            time.sleep(0.05)
            stop.begin()
            tell("ready")
            interruption._handle(signal.SIGTERM, None)
            time.sleep(1)
            tell("saved")
    """
    with running(main) as program:
        program.received = time.monotonic()

        assert program.end() == 143
        assert program.out == "saved\nended by SIGTERM\n"


def test_an_interruption_that_got_lost_comes_back():
    main = """
    class Destroyed:
        def __del__(self):
            tell("ready")
            time.sleep(0.5)

    def main():
        with deferral() as stop:
            Destroyed()
            tell("lost")
            stop.begin()
            tell("training")
    """
    with running(main) as program:
        program.receive(signal.SIGTERM)

        assert program.end() == 143
        assert program.out == "lost\nended by SIGTERM\n"


def test_a_message_that_nobody_reads_does_no_harm():
    reader, writer = os.pipe()
    os.close(reader)
    with running(LOOP.replace("0.3", "10"), stderr=writer) as program:
        os.close(writer)
        program.receive(signal.SIGINT)
        time.sleep(0.5)
        assert program.process.poll() is None
        program.receive(signal.SIGINT)

        assert program.end() == 130
        assert program.seconds < 1


@both_signals
def test_left_to_the_system_a_signal_ends_what_keeps_python_waiting(number, status):
    main = """
    import ctypes

    def main():
        with interruption.left_to_the_system():
            tell("ready")
            # Unlike CDLL it lets no other thread run, as the watcher.
            ctypes.PyDLL(None).sleep(20)
    """
    with running(main) as program:
        program.receive(number)

        assert program.end() == -number
        assert (program.out, program.err) == ("", "")
        assert program.seconds < 1


@both_signals
def test_after_what_was_left_to_the_system_signals_are_answered_again(number, status):
    main = """
    def main():
        try:
            with interruption.left_to_the_system():
                raise ZeroDivisionError
        except ZeroDivisionError:
            tell("ready")
        time.sleep(10)
    """
    with running(main) as program:
        program.receive(number)

        assert program.end() == status
        assert program.out == f"ended by {signal.Signals(number).name}\n"
        assert program.err == ""


def test_a_request_is_raised_by_the_loop():
    with pytest.raises(Interrupted) as caught, deferral() as stop:
        stop.begin()
        assert not stop.is_requested
        stop.request(signal.SIGTERM)
        stop.request(signal.SIGINT)
        assert stop.is_requested
        stop.interrupt()

    assert caught.value.signal_number == signal.SIGTERM
    assert caught.value.signal_name == str(caught.value) == "SIGTERM"
    assert caught.value.exit_status == 143
    assert not isinstance(caught.value, Exception)


def test_a_request_that_nobody_has_raised_is_raised_at_the_end():
    finished = []
    with pytest.raises(Interrupted, match="SIGINT"), deferral() as stop:
        stop.begin()
        stop.request(signal.SIGINT)
        finished.append("step")

    assert finished == ["step"]


def test_another_exception_goes_before_a_request():
    with pytest.raises(ZeroDivisionError), deferral() as stop:
        stop.begin()
        stop.request(signal.SIGTERM)
        raise ZeroDivisionError


def test_one_deferral_after_another_but_none_within():
    for _ in range(2):
        with deferral() as stop:
            stop.begin()
            stop.begin()
            with deferral() as inner, pytest.raises(AssertionError, match="nested"):
                inner.begin()


@pytest.fixture
def installed():
    before = handlers_and_threads()
    interruption.install()
    interruption.install()
    assert threading.active_count() == before[-1] + 1
    yield
    interruption.uninstall()
    assert handlers_and_threads() == before


def handlers_and_threads() -> tuple:
    descriptor = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(descriptor)
    handlers = [signal.getsignal(number) for number in interruption.SIGNALS]
    return (descriptor, *handlers, threading.active_count())


def test_a_deferral_that_ended_defers_no_more(installed):
    with deferral() as stop:
        stop.begin()
    with pytest.raises(Interrupted, match="SIGTERM"):
        signal.raise_signal(signal.SIGTERM)


def test_uninstalling_forgets_the_signals(installed):
    with pytest.raises(ZeroDivisionError), deferral() as stop:
        stop.begin()
        signal.raise_signal(signal.SIGTERM)
        stop.begin()
        assert stop.is_requested
        raise ZeroDivisionError
    interruption.uninstall()

    with deferral() as stop:
        stop.begin()
        assert not stop.is_requested
    interruption.install()
    with pytest.raises(Interrupted, match="SIGINT"):
        signal.raise_signal(signal.SIGINT)
