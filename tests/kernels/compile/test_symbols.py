"""Machine code that was cached by several processes works in one process."""

import os
import subprocess
import sys
from pathlib import Path

KERNELS = '''
import sys
import numpy as np
from kernels.compile.jit import cpu_inline, cpu_serial

def make(sign):
    @cpu_inline
    def helper(x, depth):
        """Long, and called three times, so that it is not inlined."""
        total = np.zeros(depth)
        for i in range(depth):
            for k in range(i):
                total[i] += np.sin(x * k) + np.cos(x + i) - np.exp(x - k)
                if total[i] > 4:
                    total[k] = np.sqrt(abs(total[i])) + np.sinh(total[k])
        return total.sum() * 0 + sign
    return helper

up, down = make(1.0), make(-1.0)

@cpu_serial
def increase(x):
    return up(x, 3) + up(x + 1, 5) + up(x - 1, 4)

@cpu_serial
def decrease(x):
    return down(x, 3) + down(x + 1, 5) + down(x - 1, 4)

for name in sys.argv[1:]:
    kernel = globals()[name]
    print(name, kernel(1.0), "loaded" if kernel.stats.cache_hits else "compiled")
'''


def test_helpers_of_one_name_are_not_confused(tmp_path):
    """Two processes compile a kernel each, whose helpers come from one factory; a third loads both from the cache."""
    file = tmp_path / "factory.py"
    file.write_text(KERNELS)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": str(Path.cwd())}

    def run(*names):
        command = [sys.executable, str(file), *names]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()

    assert run("increase") == ["increase 3.0 compiled"]
    assert run("decrease") == ["decrease -3.0 compiled"]
    assert run("increase", "decrease") == ["increase 3.0 loaded", "decrease -3.0 loaded"]
