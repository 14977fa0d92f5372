"""Limits of a machine for tests: measuring them takes seconds."""

from workbench.benching import document
from workbench.roofline import Peaks

PEAKS = Peaks(
    threads=2,
    gflops={"float32": 200.0, "float64": 100.0},
    gflops_one_core={"float32": 100.0, "float64": 50.0},
    gbps={"L1": 400.0, "L2": 200.0, "L3": 40.0, "DRAM": 20.0},
    gbps_one_core={"L1": 200.0, "L2": 100.0, "L3": 20.0, "DRAM": 15.0},
    level_bytes={"L1": 1000, "L2": 10_000, "L3": 100_000},
    launch_ms=0.0005,
    clock_ghz=3.1,
    register_bytes=64,
)


def fix():
    """Have benchmarks of this process use these limits from now on."""
    document.measure_peaks = lambda _on_part: PEAKS
