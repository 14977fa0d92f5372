"""Time LeNet-5's fused step with batch normalization, dropout and augmentation, against the step without.

python benchmarks/regularized_step.py [--threads N] [--rounds N] takes turns between the variants, so that a change of the
machine's speed meets all of them, and prints the median and the fastest of the rounds, in microseconds per step of 64
samples. On one thread that is the processor's time, to which other programs add less.
"""

import argparse
import time
from statistics import median

import numba
import numpy as np

from kernels.augment.strengths import Strengths
from workbench.datasets import load
from workbench.network.executor import FusedExecutor, StepSettings
from workbench.network.optimizer import Optimizer
from workbench.network.spec import Parameters, build

BATCH, STEPS = 64, 2

PLAIN = (
    "conv 6 5x5 pad=2{norm} | relu | maxpool 2 | "
    "conv 16 5x5{norm} | relu | maxpool 2 | "
    "dense 120 | relu{drop} | dense 84 | relu{drop} | dense 10"
)

STRENGTHS = Strengths(shift=2, rotate=10, scale=0.1, elastic=1)

VARIANTS = {
    "plain": ("", "", None),
    "augmentation": ("", "", STRENGTHS),
    "dropout": ("", " | dropout 0.5", None),
    "batch norm": (" | batchnorm", "", None),
    "all three": (" | batchnorm", " | dropout 0.5", STRENGTHS),
}


class Variant:
    """A network with its optimizer, ready to take steps."""

    def __init__(self, norm: str, drop: str, strengths: Strengths | None) -> None:
        network = build(PLAIN.format(norm=norm, drop=drop), (1, 28, 28), 10)
        parameters = Parameters.initial(network, np.random.default_rng(0))
        self._executor, self._optimizer = FusedExecutor(network, parameters), Optimizer(parameters.flat.size, 0.01)
        self._settings, self._data = StepSettings(augmentation=strengths), load("mnist")
        self._clock = time.thread_time if numba.get_num_threads() == 1 else time.perf_counter

    def run(self) -> float:
        """Take some steps; return the microseconds of each."""
        images, labels = self._data.train_images, self._data.train_labels
        start = self._clock()
        for _ in self._executor.steps(images, labels, np.arange(BATCH * STEPS), BATCH, self._optimizer, self._settings):
            pass
        return (self._clock() - start) / STEPS * 1e6


def main() -> None:
    """Measure and print the results."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=numba.get_num_threads())
    parser.add_argument("--rounds", type=int, default=500)
    asked = parser.parse_args()
    numba.set_num_threads(asked.threads)
    variants = {name: Variant(*settings) for name, settings in VARIANTS.items()}
    times: dict[str, list[float]] = {name: [] for name in variants}
    for turn in range(asked.rounds + 1):
        for name, variant in variants.items():
            us = variant.run()
            if turn:  # the first compiles
                times[name].append(us)
    print(f"{asked.threads} threads; microseconds per step of {BATCH} samples")
    for name, found in times.items():
        ratios = [own / plain for own, plain in zip(found, times["plain"], strict=True)]
        print(
            f"{name:13s} median {median(found):6.0f}  fastest {min(found):6.0f}   "
            f"of plain: median {median(ratios):.2f}, fastest {min(found) / min(times['plain']):.2f}"
        )


if __name__ == "__main__":
    main()
