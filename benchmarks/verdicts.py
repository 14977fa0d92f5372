"""Check the verdicts of ``workbench bench``: a kernel against itself, and slowed down by 10 % and 5 % on purpose.

Run ``python benchmarks/verdicts.py [runs of the same] [runs of each slower one]``.
"""

import json
import platform
import subprocess
import sys
from collections import Counter
from pathlib import Path

KERNELS = Path(__file__).with_name("slower.py")


def bench(name):
    """Run the command; return the row of the kernel, and the control of its case."""
    command = [sys.executable, "-m", "workbench", "bench", f"{KERNELS}:{name}", "--case", "lenet-c3", "--json", "-"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    document = json.loads(done.stdout)
    (row,) = [row for row in document["rows"] if row["implementation"] == name]
    return row, document["controls"][0], document


def main(same, slower):
    """Print a line for each run, then the count of each verdict."""
    for name, runs in (("same", same), ("slower_10", slower), ("slower_5", slower)):
        verdicts, controls, ratios = Counter(), Counter(), []
        for number in range(1, runs + 1):
            row, control, document = bench(name)
            verdicts[row["verdict"]] += 1
            controls[control["verdict"]] += 1
            ratios.append(row["ratio"])
            print(
                f"{name} {number}: {row['ratio']:.4f} ({row['ratio_low']:.4f} to {row['ratio_high']:.4f}) {row['verdict']}; "
                f"control {control['ratio']:.4f} ({control['low']:.4f} to {control['high']:.4f}); {row['repeats']} calls",
                flush=True,
            )
        ratios.sort()
        spread = f"ratios {ratios[0]:.4f} to {ratios[-1]:.4f}, median {ratios[len(ratios) // 2]:.4f}"
        print(f"{name}: {dict(verdicts)} of {runs}; controls {dict(controls)}; {spread}", flush=True)
    machine = document["machine"]
    print(f"{machine['cpu']}, {machine['threads']} threads, Python {platform.python_version()}, {machine['versions']}")


if __name__ == "__main__":
    main(*(map(int, sys.argv[1:] or (40, 20))))
