"""Becomes another program, which ends when the one that started it does.

python -m darts_adv_tf.reproduction.executors.bound_process <parent> <cores> <program> ...

A matrix that is killed by SIGKILL has no chance to stop its runs. They would go on unseen, and a
second start of the matrix would find their folders taken. So each process asks the system (Linux:
PR_SET_PDEATHSIG) for a SIGTERM at the death of its parent, at which a run saves and ends. That is
done here, between two programs, and not between fork and exec, where a Python that has threads
may hang.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(parent: int, cores: set[int], command: list[str]) -> None:
    """Binds the process to its parent and to its cores, and becomes the command."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        os.sched_setaffinity(0, cores)
    if os.getppid() != parent:
        sys.exit(128 + signal.SIGTERM)  # It died before the system knew.
    os.execv(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), {int(core) for core in sys.argv[2].split(",")}, sys.argv[3:])
