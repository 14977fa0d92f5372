"""A kernel of your own for the CPU: a dense layer, y = x w^T + b, parallel over the samples.

$ workbench check own_kernel_cpu.py --examples 50
$ workbench inspect own_kernel_cpu.py
$ workbench bench own_kernel_cpu.py --case lenet-f6 --budget 0.1
"""

from numba import njit, prange

from workbench import implements


@implements("dense")
@njit(parallel=True, fastmath={"reassoc", "nsz", "contract"})
def dense_rows(x, w, b, y):
    for n in prange(x.shape[0]):
        for m in range(w.shape[0]):
            total = x.dtype.type(0)
            for k in range(w.shape[1]):
                total += x[n, k] * w[m, k]
            y[n, m] = total + b[m]
