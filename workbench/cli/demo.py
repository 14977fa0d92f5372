"""``workbench demo``."""

from importlib.util import find_spec
from pathlib import Path

import click

from workbench.system.errors import InputError
from workbench.system.terminal import print_line

LIBRARIES = ("starlette", "uvicorn")


@click.command(epilog="Example: workbench demo runs/lenet5-mnist-1")
@click.argument("run_folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8028, show_default=True, help="Of this machine; 0 for a free one."
)
@click.option("--browser/--no-browser", default=True, help="Open the page in a browser; it does by default.")
def demo(run_folder: Path, port: int, browser: bool) -> None:
    """Draw a digit on a page and see what a trained network sees, until Ctrl-C.

    The page shows the picture as the numbers that the network gets, the feature maps of every layer, the strongest
    connections of the dense layers and the probabilities, computed by the kernels while you draw; and for every value of
    a feature map the window, the filter, the products and the sum that made it. It also takes pictures.

    The server answers only to programs on this machine, and only its own page.
    """
    from kernels.installation import install_command

    missing = [name for name in LIBRARIES if find_spec(name) is None]
    if missing:
        raise InputError(f"the page needs {' and '.join(missing)}; install with: {install_command(extra='demo')}")
    import numpy as np

    from workbench.demo.server import HOST, application
    from workbench.demo.serving import listen_on, open_in_browser, served
    from workbench.demo.sight import require_small, see
    from workbench.network.checkpoint import load
    from workbench.system import render
    from workbench.system.progress import compile_notices

    run = load(run_folder)
    require_small(run)
    with listen_on(port) as listener:
        port = listener.getsockname()[1]
        with compile_notices(render.message_console()):
            see(run, np.zeros(run.network.input_shape, np.uint8))
        with served(application(run, port), listener) as server:
            address = f"http://{HOST}:{port}/"
            print_line(f"{run_folder}: {address} is the page to draw on; Ctrl-C ends it")
            if browser:
                open_in_browser(address)
            server.join()
