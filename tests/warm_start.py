"""A process that runs the command line many times without restarting Python and Numba: a fork of it runs each command.

``python warm_start.py`` imports the modules that commands need and ``warm_numba``. Then it reads requests from standard
input, one JSON object per line: the ``arguments`` of ``workbench``, the folder ``cwd``, additional variables of its
``environment``, and the files ``out`` and ``err`` for the command's output. It answers with the exit code. The processes
that a command starts are also forks (``warm_children``), of a second such process, multiprocessing's fork server. Both have
one thread only, and load none of the user's code. Benchmarks do not measure the machine's limits.

The fixture ``warm_workbench`` of conftest.py sends the requests.
"""

import json
import os
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from warm_children import patches, read_again, start_server

from tests.workbench.benching.limits import fix

NEEDED = ("checking.check_run", "inspecting.cpu.cpu_inspection", "network.train", "showing.draw")
for needed in (*(f"workbench.{name}" for name in NEEDED), "warm_numba"):
    import_module(needed)
fix()


def main():
    with tempfile.TemporaryDirectory() as folder:
        context = start_server(Path(folder))
        for line in sys.stdin:
            pid = os.fork()
            if pid == 0:
                run(context, **json.loads(line))
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def run(context, arguments, cwd, environment, out, err):
    """Act as ``python -m workbench`` in the folder."""
    os.environ.update(environment)
    read_again()
    os.chdir(cwd)
    sys.path[0] = cwd
    sys.argv[1:] = arguments
    for stream, target in ((0, os.devnull), (1, out), (2, err)):
        os.dup2(os.open(target, os.O_RDWR), stream)
    sys.modules["__main__"] = import_module("workbench.__main__")
    for each in patches(context):
        setattr(*each)
    code = 1
    try:
        code = import_module("workbench.cli").run(arguments)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
