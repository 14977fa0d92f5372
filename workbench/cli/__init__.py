"""The command line. Every command is a thin module: parse, call one function, render."""

from __future__ import annotations

import sys

import click

from workbench import __version__
from workbench.cli.bench import bench
from workbench.cli.check import check
from workbench.cli.eval import evaluate
from workbench.cli.filter import filter_image
from workbench.cli.info import info
from workbench.cli.ops import ops
from workbench.cli.predict import predict
from workbench.cli.train import train
from workbench.errors import InputError, Verdict

AGAINST, MISUSE, INTERRUPTED = 1, 2, 130


START = """\b
Start with:
  workbench info                                    what this machine offers
  workbench check                                   are the kernels right?
  workbench train                                   LeNet on MNIST
  workbench filter photo.jpg --table -o table.png   what filters do
"""


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=START)
@click.version_option(__version__, prog_name="workbench")
def workbench() -> None:
    """Check, time and train with Numba CPU and CUDA kernels."""


for _command in (info, ops, check, bench, train, evaluate, predict, filter_image):
    workbench.add_command(_command)


def main() -> None:
    """Run the command line and exit: 0 fine, 1 a verdict against, 2 misuse or bad input, 130 interrupted."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run the command line on ``arguments``; give the exit code. Every error is one line on standard error."""
    try:
        return workbench.main(arguments, prog_name="workbench", standalone_mode=False) or 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else str(error), err=True)
        return MISUSE
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        where = context.command_path if context is not None else "workbench"
        return _fail(f"{where}: {error.format_message()}")
    except InputError as error:
        return _fail(f"workbench: {error}")
    except Verdict as error:
        return _fail(f"workbench: {error}", code=AGAINST)
    except (click.Abort, KeyboardInterrupt):
        click.echo("workbench: interrupted", err=True)
        return INTERRUPTED
    except MemoryError as error:
        return _fail(
            f"workbench: not enough memory ({error or 'no more is known'}); ask for less, a smaller network or batch"
        )
    except BrokenPipeError:
        sys.stdout = None  # the reader is gone; nothing is left to flush
        return 0
    except Exception as error:
        from kernels.errors import KernelsError

        if isinstance(error, KernelsError):
            return _fail(f"workbench: {error}")
        raise


def _fail(text: str, code: int = MISUSE) -> int:
    click.echo(" ".join(text.split()), err=True)
    return code
