"""The built-in convolution, unchanged and slowed down on purpose by a known share."""

import time

from kernels.ops.conv2d.cpu.lanes import conv2d_cpu
from workbench import implements


def _prolonged(share, *arguments):
    """Run the convolution, then wait until the call has taken ``1 + share`` times as long."""
    start = time.perf_counter()
    conv2d_cpu(*arguments)
    end = start + (1 + share) * (time.perf_counter() - start)
    while time.perf_counter() < end:
        pass


@implements("conv2d")
def same(x, w, b, stride, padding, dilation, groups, y):
    """The unchanged convolution."""
    _prolonged(0.0, x, w, b, stride, padding, dilation, groups, y)


@implements("conv2d")
def slower_5(x, w, b, stride, padding, dilation, groups, y):
    """5 % slower."""
    _prolonged(0.05, x, w, b, stride, padding, dilation, groups, y)


@implements("conv2d")
def slower_10(x, w, b, stride, padding, dilation, groups, y):
    """10 % slower."""
    _prolonged(0.10, x, w, b, stride, padding, dilation, groups, y)
