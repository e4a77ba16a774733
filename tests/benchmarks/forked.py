"""Runs commands that start Python processes, but imports torch for none of them.

    tests.processes.Forked("tests.benchmarks.forked", ["tests.benchmarks.crash --kills 1", ...])

A new Python process needs seconds to import torch. This one is forked from a process that has
imported it, and then forks itself for each command; the commands run at the same time. Where a
command starts `python ...`, it gets a fork of itself in place of a new interpreter, and so does
torch's launcher. A fork is a process like any other: it has a number and can be killed. Only its
command line in /proc is wrong, so that a crash with two processes always kills all of them.
tests/test_docs.py runs the commands of docs/reliability.md so.
"""

import os
import runpy
import shlex
import signal
import subprocess
import sys
import traceback

from torch.distributed.elastic.multiprocessing.subprocess_handler import subprocess_handler
from torch.distributed.elastic.rendezvous import dynamic_rendezvous


class ForkingPopen(subprocess.Popen):
    """`subprocess.Popen`, which for `python ...` starts a fork and no new interpreter.

    Args:
        *given: the command, where it is not in the options (`args`).
        env: the whole environment of the child; None is that of this process.
        **options: of Popen.
    """

    def __init__(self, *given: list[str], env: dict[str, str] | None = None, **options):
        program, *command = given[0] if given else options["args"]
        if program == sys.executable:
            if command[0] == "-u":  # unbuffered, as torch's launcher wants it
                del command[0]
            options["preexec_fn"] = lambda: run_and_exit(command, env)
            sys.stdout.flush()  # what is left in the buffer, the child would write too
        super().__init__(*given, env=env, **options)


def run_and_exit(command: list[str], env: dict[str, str] | None) -> None:
    """Runs a command in this process, which is a fork, and ends it with the command's status.

    Args:
        command: what follows the name of the interpreter.
        env: the environment; None leaves it as it is.
    """
    # Popen returns in the parent when its pipe to this process is closed; it is among these.
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    # A new interpreter would have none of the parent's signal handlers.
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if env is not None:
        os.environ.clear()
        os.environ.update(env)
    status = 1
    try:
        if command[0] == "-m":
            sys.argv = command[1:]
            runpy.run_module(command[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = command
            runpy.run_path(command[0], run_name="__main__")
        status = 0
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
        else:
            status = ended.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def main() -> int:
    """Runs the commands and returns 1 where one failed."""
    subprocess.Popen = subprocess_handler.Popen = ForkingPopen
    # The launcher reads the whole stack for the name of each event: a second of CPU in each start.
    dynamic_rendezvous.get_method_name = lambda: ""
    commands = [shlex.split(command) for command in sys.argv[1:]]
    processes = [ForkingPopen([sys.executable, "-m", *command]) for command in commands]
    statuses = [process.wait() for process in processes]
    return int(any(statuses))


if __name__ == "__main__":
    sys.exit(main())
