"""An exported network checked by running it: its scores in ONNX Runtime, judged by the rounding bound."""

from importlib.util import find_spec

import numpy as np

from workbench.network.checkpoint import TrainedRun
from workbench.oracle.scores import exact_scores

RUNTIME = "onnxruntime"
"""The package that runs the model, if it is installed."""

SAMPLES, CLASSES = 16, 16
"""Random images that the model is run on, and the most scores of each that are judged."""


def can_run() -> bool:
    """Return whether ONNX Runtime is installed."""
    return find_spec(RUNTIME) is not None


def share_of_bound(run: TrainedRun, model: bytes) -> float:
    """Run an ONNX model on random images; return its largest error of a score as a share of the bound.

    Parameters
    ----------
    run : the network that the model was made from
    model : the content of the file
    """
    import onnxruntime

    from workbench.network.onnx_model import INPUT, SCORES

    images = np.random.default_rng(0).random((SAMPLES, *run.network.input_shape), dtype=np.float32)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (scores,) = session.run([SCORES], {INPUT: images})
    count = len(run.classes)
    judged = [index * count // min(count, CLASSES) for index in range(min(count, CLASSES))]
    return exact_scores(run.network, run.parameters, images, judged).share(scores[:, judged])
