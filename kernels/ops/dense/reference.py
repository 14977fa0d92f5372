"""dense, as loops.

Every output is connected to every input:

    y[n,m] = b[m] + sum over k of  w[m,k] * x[n,k]

and therefore

    dx[n,k] = sum over m of  dy[n,m] * w[m,k]
    dw[m,k] = sum over n of  dy[n,m] * x[n,k]
    db[m]   = sum over n of  dy[n,m]

Source: U. Karn, An Intuitive Explanation of Convolutional Neural Networks, "Fully Connected Layer".
"""

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]


def dense_reference(x: Array, w: Array, b: Array, y: Array) -> None:
    """Compute y (N,M) from x (N,K), w (M,K) and b (M,)."""
    for n in range(x.shape[0]):
        for m in range(w.shape[0]):
            y[n, m] = b[m]
            for k in range(w.shape[1]):
                y[n, m] += w[m, k] * x[n, k]


def dense_backward_reference(dy: Array, x: Array, w: Array, dx: Array, dw: Array, db: Array) -> None:
    """Compute dx, dw and db, shaped like x, w and b, from dy (N,M)."""
    dx[...] = 0
    dw[...] = 0
    db[...] = 0
    for n in range(x.shape[0]):
        for m in range(w.shape[0]):
            db[m] += dy[n, m]
            for k in range(w.shape[1]):
                dx[n, k] += dy[n, m] * w[m, k]
                dw[m, k] += dy[n, m] * x[n, k]
