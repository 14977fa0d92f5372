"""``python -m benchmarks.fuzz_simulator --examples 1000``: random kernels, compared with numba-cuda's own simulator."""

from __future__ import annotations

import argparse
import sys

from tests.cuda_fuzz.batches import faults
from tests.cuda_fuzz.programs import Program

BATCH = 50


def main() -> int:
    """Run the kernels; print the source of each faulty one. Return 1 if there is one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=200, help="the number of kernels")
    parser.add_argument("--seed", type=int, default=0, help="the seed of the first one")
    given = parser.parse_args()
    count = 0
    for start in range(given.seed, given.seed + given.examples, BATCH):
        seeds = list(range(start, min(start + BATCH, given.seed + given.examples)))
        for seed, fault in faults(seeds, 3600):
            if fault:
                count += 1
                print(f"seed {seed}: {fault}\n{Program(seed).source}")
        print(f"{seeds[-1] + 1 - given.seed} of {given.examples} kernels, {count} faulty", file=sys.stderr)
    print(f"{given.examples} kernels, {count} faulty")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
