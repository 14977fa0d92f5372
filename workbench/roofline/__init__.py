"""The measured limits of this machine: arithmetic, the bandwidth of every level of memory, the cost of a call."""

from workbench.roofline.limits import Peaks, measure_peaks

__all__ = ["Peaks", "measure_peaks"]
