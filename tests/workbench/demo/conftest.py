"""Networks on a page: one that was trained on MNIST, and one with every kind of layer.

What imports Numba is imported by the fixtures, because pytest may load this file before the options are read.
"""

import base64
import http.client
import io
import json
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from workbench.cli import run as run_workbench

SEVEN = ((0.28, 0.25), (0.72, 0.25), (0.62, 0.45), (0.5, 0.62), (0.42, 0.8))
"""The points of a seven, as shares of the drawing's side."""

ODD = (
    "conv 4 3x2 stride=2x1 pad=1 dilation=1x2 | batchnorm | relu | avgpool 3x2 stride=2 pad=1 | "
    "conv 6 3x3 pad=same groups=2 | sumpool 2 | dropout 0.3 | flatten | dense 7 | batchnorm | relu | dense 3"
)


@pytest.fixture(scope="session")
def digits_folder(tmp_path_factory):
    """The folder of a LeNet that was trained on MNIST for an epoch."""
    folder = tmp_path_factory.mktemp("runs") / "digits"
    with redirect_stdout(io.StringIO()):
        assert run_workbench(["train", "--epochs", "1", "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="session")
def digits(digits_folder):
    """That LeNet."""
    from workbench.network.checkpoint import load

    return load(digits_folder)


@pytest.fixture(scope="session")
def odd():
    """A network of three channels with options of all kinds, its weights as drawn."""
    from workbench.network.checkpoint import TrainedRun
    from workbench.network.spec import Parameters, build

    network = build(ODD, (3, 15, 13), 3)
    parameters = Parameters.initial(network, np.random.default_rng(0))
    for values in (parameters.flat, parameters.buffers.flat):  # no bias and no statistic at what it is before training
        values += np.random.default_rng(1).uniform(0, 0.2, values.size).astype(np.float32)
    config = {"preparation": "resize", "channels": 3, "image_size": (15, 13), "classes": ["left", "right", "<b>up</b>"]}
    record = {"config": config, "parameters": parameters.flat.size, "epochs": [], "executor": "ops"}
    return TrainedRun(folder=Path("odd"), record=record, network=network, parameters=parameters)


ADDRESS = "127.0.0.1"


class Server:
    """A page in a thread of this process."""

    def __init__(self, port):
        self.port, self.address = port, f"http://{ADDRESS}:{port}/"

    def ask(self, method, path, body=None, **headers):
        """Return the status, the headers and the body of an answer; header names are written with _ for -."""
        connection = http.client.HTTPConnection(ADDRESS, self.port, timeout=60)
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, answer.headers, content

    def draw(self, image):
        """Send a drawing (H, W)."""
        body = {"width": image.shape[1], "height": image.shape[0], "pixels": base64.b64encode(image.tobytes()).decode()}
        return self.ask("POST", "/drawing", json.dumps(body), Content_Type="application/json")


@contextmanager
def served_page(run):
    from workbench.demo.server import application
    from workbench.demo.serving import listen_on, served
    from workbench.demo.sight import see

    see(run, np.zeros(run.network.input_shape, np.uint8))  # compiles, as the command does before it serves
    with listen_on(0) as listener:
        port = listener.getsockname()[1]
        with served(application(run, port), listener):
            yield Server(port)


@pytest.fixture(scope="session")
def digits_page(digits):
    with served_page(digits) as server:
        yield server


@pytest.fixture(scope="module")
def odd_page(odd):
    with served_page(odd) as server:
        yield server


@pytest.fixture(scope="session")
def seven():
    """A drawing of a seven, (140, 140)."""
    picture = Image.new("L", (140, 140))
    points = [(140 * x, 140 * y) for x, y in SEVEN]
    ImageDraw.Draw(picture).line(points, fill=255, width=10, joint="curve")
    return np.array(picture)
