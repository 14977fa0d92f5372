"""Softmax and cross-entropy: the public functions."""

from typing import Any

from kernels.call.dispatch import run
from kernels.declare.array_types import FloatArray, IntegerArray
from kernels.functions.shared import Array, public


@public
def softmax(x: FloatArray, *, out: Any = None, device: str | None = None, stream: Any = None) -> Array:
    """Convert each row of scores to probabilities that sum to one: exp(x) / sum exp(x) along axis 1.

    Parameters
    ----------
    x : (N, K)

    Returns
    -------
    y : (N, K)
    """
    return run("softmax", {"x": x}, {}, out=out, device=device, stream=stream)


@public
def softmax_backward(
    dy: FloatArray, y: FloatArray, *, out: Any = None, device: str | None = None, stream: Any = None
) -> Array:
    """Return the gradient of ``softmax``: dx = y * (dy - sum over k of dy*y).

    Parameters
    ----------
    dy : (N, K) gradient with respect to y
    y : (N, K) output of ``softmax``

    Returns
    -------
    dx : (N, K)
    """
    return run("softmax_backward", {"dy": dy, "y": y}, {}, out=out, device=device, stream=stream)


@public
def cross_entropy(
    logits: FloatArray,
    labels: IntegerArray,
    *,
    label_smoothing: float = 0.0,
    out: Any = None,
    device: str | None = None,
    stream: Any = None,
) -> Array:
    """Return the mean over the batch of -log softmax(logits)[label].

    Parameters
    ----------
    logits : (N, K)
    labels : (N,) of any integer dtype, in [0, K)
    label_smoothing : share s of the target, 0 to 1, that all classes have in equal parts: the loss of a sample is
        (1 - s) * -log p[label] + s * mean over k of -log p[k]

    Returns
    -------
    loss : 0-d array of the logits' dtype; NaN for N = 0
    """
    inputs, options = {"logits": logits, "labels": labels}, {"label_smoothing": label_smoothing}
    return run("cross_entropy", inputs, options, out=out, device=device, stream=stream)


@public
def cross_entropy_backward(
    logits: FloatArray,
    labels: IntegerArray,
    *,
    label_smoothing: float = 0.0,
    out: Any = None,
    device: str | None = None,
    stream: Any = None,
) -> Array:
    """Return the gradient of ``cross_entropy`` with respect to the logits: (softmax(logits) - onehot(labels)) / N.

    Parameters
    ----------
    logits : (N, K)
    labels : (N,) of any integer dtype, in [0, K)
    label_smoothing : share s of the target, 0 to 1, in equal parts for all classes: (1 - s) * onehot(labels) + s / K

    Returns
    -------
    dlogits : (N, K)
    """
    inputs, options = {"logits": logits, "labels": labels}, {"label_smoothing": label_smoothing}
    return run("cross_entropy_backward", inputs, options, out=out, device=device, stream=stream)
