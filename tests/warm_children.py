"""The processes that a command starts, as forks of multiprocessing's fork server, which has imported everything.

These are the children of ``workbench.system.process``, and those of ``workbench.system.elsewhere``, which start others.
"""

import ctypes
import multiprocessing
import os
import select
import socket
import subprocess
import sys
import time
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace

from workbench.system import elsewhere
from workbench.system.process import PERTURB
from workbench.system.search_path import own_path

M_PERTURB = -6
"""The parameter of mallopt(3) that the variable of PERTURB sets when a process starts."""


def start_server(folder):
    """Fork multiprocessing's fork server from this process; return the context whose processes it starts.

    Parameters
    ----------
    folder : where its socket is; its processes have what this one has imported
    """
    resource_tracker.ensure_running()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "fork_server"))
    listener.listen()
    alive, end = os.pipe()
    server = forkserver._forkserver
    server._forkserver_pid = os.fork()
    if server._forkserver_pid == 0:
        os.close(end)
        os.dup2(2, 1)  # this process answers there
        try:
            forkserver.main(listener.detach(), alive, [])
        finally:
            os._exit(0)
    os.close(alive)
    server._forkserver_address, server._forkserver_alive_fd = listener.getsockname(), end
    listener.close()
    return multiprocessing.get_context("forkserver")


class Forks:
    """A context of multiprocessing whose processes have the environment variables that this one has when they start."""

    def __init__(self, context):
        self._context = context

    def __getattr__(self, name):
        return getattr(self._context, name)

    def Process(self, *, target, args, daemon=False):  # noqa: N802 - its name in multiprocessing
        return self._context.Process(target=_inherit, args=(dict(os.environ), target, args), daemon=daemon)


class Fork:
    """What is used of a ``subprocess.Popen``, for a process that runs ``elsewhere.main``."""

    def __init__(self, context, environment, before, question):
        self._question = question
        given, self._given = context.Pipe(duplex=False)
        self._answer, answer = context.Pipe(duplex=False)
        messages = Connection(os.dup(2))
        arguments = (str(Path.cwd()), own_path(), before, (given, answer, messages))
        self._process = context.Process(target=_inherit, args=(dict(environment), _elsewhere, arguments))
        self._process.start()
        for end in (given, answer, messages):
            end.close()
        self.pid, self._read = self._process.pid, b""

    @property
    def returncode(self):
        return self._process.exitcode

    def communicate(self, timeout):
        if self._question is not None:
            with os.fdopen(os.dup(self._given.fileno()), "wb") as pipe:
                pipe.write(self._question)
            self._given.close()
            self._question = None
        end = time.monotonic() + timeout
        while select.select([self._answer], [], [], max(end - time.monotonic(), 0))[0]:
            read = os.read(self._answer.fileno(), 1 << 16)
            if not read:
                self._process.join()
                return self._read, None
            self._read += read
        raise subprocess.TimeoutExpired([], timeout)

    def terminate(self):
        self._process.terminate()

    def wait(self, timeout):
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired([], timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        for end in (self._given, self._answer):
            end.close()
        self._process.join()


def patches(context, before=None):
    """Return what to set to what, as (object, name, value), so that processes are forks.

    Parameters
    ----------
    context : multiprocessing's, of a fork server that runs
    before : an importable function that a process of ``elsewhere`` calls first
    """
    popen = SimpleNamespace(
        Popen=lambda _command, *, env, stdin, **_streams: Fork(context, env, before, stdin.read()),
        PIPE=subprocess.PIPE,
        TimeoutExpired=subprocess.TimeoutExpired,
    )
    return [
        (multiprocessing, "get_context", lambda _method=None: Forks(context)),
        (forkserver._forkserver, "ensure_running", lambda: None),  # it runs, perhaps as the child of another process
        (elsewhere, "subprocess", popen),
    ]


def read_again():
    """Have Numba read the environment variables again, unless its choice between the simulator and a GPU is made."""
    if "numba.cuda" not in sys.modules:
        sys.modules["numba"].config.reload_config()


def _inherit(environment, function, arguments):
    """Call a function with other environment variables."""
    os.environ.clear()
    os.environ.update(environment)
    if PERTURB.items() <= environment.items() and hasattr(ctypes.CDLL(None), "mallopt"):
        ctypes.CDLL(None).mallopt(M_PERTURB, int(*PERTURB.values()))
    read_again()
    function(*arguments)


def _elsewhere(folder, path, before, streams):
    """Act as ``python -P -c "from workbench.system.elsewhere import main; main()"``."""
    os.setsid()
    os.chdir(folder)
    sys.path[:] = path
    for number, stream in enumerate(streams):
        os.dup2(stream.fileno(), number)
        stream.close()
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode, closefd=False) for number, mode in enumerate("rww"))
    for each in patches(multiprocessing.get_context("forkserver"), before):
        setattr(*each)
    if before is not None:
        before()
    elsewhere.main()
