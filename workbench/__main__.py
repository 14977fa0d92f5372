"""The program ``workbench``, also as ``python -m workbench``."""

import os
import sys

if (
    __name__ == "__main__" and not sys.flags.safe_path
):  # a file in the working directory would hide a module of its name
    del sys.path[0]
    sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120 - Path imports much

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # it may be ignored
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback while modules are imported


def main() -> None:
    """Run the command line and exit."""
    from workbench.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
