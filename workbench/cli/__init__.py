"""The command line. Every command is a thin module: it parses options, calls one function, and prints the result."""

import errno
import os
import sys
from contextlib import suppress
from typing import NoReturn

import click

from workbench.cli.bench import bench
from workbench.cli.check import check
from workbench.cli.compare import compare
from workbench.cli.demo import demo
from workbench.cli.eval import evaluate
from workbench.cli.export import export
from workbench.cli.filter import filter_image
from workbench.cli.info import info
from workbench.cli.inspect import inspect
from workbench.cli.ops import ops
from workbench.cli.predict import predict
from workbench.cli.roofline import roofline
from workbench.cli.show import show
from workbench.cli.summary import summary
from workbench.cli.train import train
from workbench.system import installation
from workbench.system.encoding import ensure_utf8
from workbench.system.ending import Ended, ended, leave, listen
from workbench.system.errors import (
    AGAINST,
    INTERRUPTED,
    InputError,
    VerdictAgainst,
    is_kernels_error,
    raised,
    shortened,
)
from workbench.system.settings import settle_environment
from workbench.system.terminal import print_line, print_text, set_up_streams
from workbench.system.version import VERSION

MISUSE = 2

MOST_LETTERS = 1000
"""A longer word of a message is cut off: click repeats what it was given."""

_OF_OUTPUT = {errno.ENOSPC, errno.EFBIG, errno.EIO, errno.EBADF, errno.EROFS, getattr(errno, "EDQUOT", errno.ENOSPC)}
_REMEDIES = {
    errno.EMFILE: "allow more open files (ulimit -n)",
    errno.ENFILE: "close other programs",
    errno.EAGAIN: "allow more processes (ulimit -u), or close other programs",
    errno.ENOMEM: "close other programs",
    errno.ENOENT: "set TMPDIR to a folder that you can write to",
}

START = """\b
Start with:
  workbench info                                    what this machine offers
  workbench check                                   are the kernels right?
  workbench bench conv2d --case lenet-c3            how fast, against the machine's limits?
  workbench train                                   LeNet on MNIST
  workbench filter photo.jpg --table -o table.png   what filters do
"""


class _Commands(click.Group):
    """The commands; none of their options and arguments may be empty: an empty path is the working directory."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """See Group."""
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None:
            with click.Context(command, parent=ctx, info_name=name) as context:
                given, _, _ = command.make_parser(context).parse_args(list(rest))
                for parameter in command.params:
                    value = given.get(str(parameter.name))
                    if "" in (value if isinstance(value, list | tuple) else (value,)):
                        raise click.BadParameter("an empty text; leave it out, or say what it is", param=parameter)
        return name, command, rest


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]}, epilog=START)
@click.version_option(VERSION, prog_name="workbench")
def workbench() -> None:
    """Check, time and train with Numba CPU and CUDA kernels."""
    settle_environment()


_COMMANDS = (
    *(info, ops, check, bench, roofline, inspect),
    *(train, evaluate, predict, show, compare, summary, export, filter_image, demo),
)
for _command in _COMMANDS:
    workbench.add_command(_command)


def main() -> NoReturn:
    """Run the command line and exit: 0 success, 1 a negative result, 2 misuse or bad input, above 128 ended by a signal."""
    ensure_utf8()
    set_up_streams()
    try:
        listen()
        code = run(sys.argv[1:])
    except Ended as signal:  # which came before or after the command
        code = _fail(f"workbench: {signal}", code=signal.code)
    leave(code)


def run(arguments: list[str]) -> int:
    """Run the command line on ``arguments`` and return the exit code. Every error is one line on standard error."""
    if (fault := installation.fault()) is not None:
        return _fail(f"workbench: {fault}")
    try:
        _invoke(arguments)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        print_text(error.ctx.get_help() if error.ctx else error, err=True)
        return MISUSE
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx is not None else "workbench"
        message = error.format_message().rstrip(".")
        return _fail(f"{where}: {message}{' See' if message.endswith('?') else '; see'} '{where} --help'")
    except click.ClickException as error:
        return _fail(f"workbench: {error.format_message()}")
    except InputError as error:
        return _fail(f"workbench: {error}")
    except VerdictAgainst as error:
        return _fail(f"workbench: {error}", code=AGAINST)
    except Ended as signal:
        return _fail(f"workbench: {signal}", code=signal.code)
    except (click.Abort, KeyboardInterrupt):
        return _fail("workbench: interrupted", code=INTERRUPTED)
    except MemoryError as error:
        return _fail(f"workbench: not enough memory ({error}); ask for a smaller network, batch or image")
    except BrokenPipeError:
        _silence_output()  # the reader has closed the pipe
    except OSError as error:
        _silence_output()
        return _fail(f"workbench: {_refused(error)}")
    except RecursionError:
        return _fail("workbench: an input is nested too deeply; use a simpler file")
    except Exception as error:
        if is_kernels_error(error):
            return _fail(f"workbench: {error}")
        if versions := _untested_versions():
            return _fail(f"workbench: {raised(error)}{versions}")
        raise
    return 0


def _invoke(arguments: list[str]) -> None:
    try:
        with workbench.make_context("workbench", list(arguments)) as context:
            workbench.invoke(context)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BaseException as error:
        if (signal := ended()) is not None and error is not signal:  # an error of what the signal interrupted
            raise signal from error
        raise


def _untested_versions() -> str:
    with suppress(Exception):  # of the import of kernels, perhaps
        from workbench.numba_internals import untested_versions

        return untested_versions()
    return ""


def _refused(error: OSError) -> str:
    """Return a line on what the system refused."""
    reason = error.strerror or str(error)
    if error.filename is not None:
        return f"{error.filename}: {reason}; use another file or folder"
    if error.errno in _OF_OUTPUT:
        return f"standard output: {reason}; write elsewhere"
    return f"the system refuses what is needed: {reason}; {_REMEDIES.get(error.errno or 0, 'mend that and try again')}"


def _silence_output() -> None:
    """Redirect standard output to the null device, so that Python's flush at exit does not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _fail(text: str, code: int = MISUSE) -> int:
    with suppress(OSError):  # after SIGHUP there is no terminal
        print_line(" ".join(shortened(word, MOST_LETTERS) for word in text.split()), err=True)
    return code
