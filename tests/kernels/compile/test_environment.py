"""Environment variables without meaning are one error when ``kernels`` is imported."""

import os
import subprocess
import sys

import pytest

from kernels.compile.environment import check_environment, number_variables
from kernels.declare.errors import SettingError

REFUSED = [
    ("NUMBA_NUM_THREADS", "0"),
    ("NUMBA_NUM_THREADS", "-1"),
    ("NUMBA_NUM_THREADS", "abc"),
    ("NUMBA_NUM_THREADS", ""),
    ("NUMBA_NUM_THREADS", "9999"),
    ("NUMBA_NUM_THREADS", "9" * 5000),
    ("NUMBA_NUM_THREADS", "2.5"),
    ("NUMBA_OPT", "abc"),
    ("NUMBA_OPT", "4"),
    ("NUMBA_THREADING_LAYER_PRIORITY", "tbb"),
    ("NUMBA_BOUNDSCHECK", "yes"),
    ("NUMBA_DISABLE_JIT", "true"),
    ("NUMBA_ENABLE_CUDASIM", "on"),
    ("NUMBA_CPU_FEATURES", "avx2"),
    ("OMP_NUM_THREADS", "abc"),
    ("OMP_NUM_THREADS", "0"),
]

ACCEPTED = [
    ("NUMBA_NUM_THREADS", "2"),
    ("NUMBA_OPT", "max"),
    ("NUMBA_OPT", "0"),
    ("NUMBA_THREADING_LAYER", "workqueue"),
    ("NUMBA_THREADING_LAYER_PRIORITY", "omp workqueue tbb"),
    ("NUMBA_CACHE_DIR", "/some/folder"),
    ("NUMBA_CPU_NAME", "haswell"),
    ("NUMBA_CPU_FEATURES", "+avx2,-avx512f"),
    ("NUMBA_CPU_FEATURES", ""),
    ("NUMBA_BOUNDSCHECK", "1"),
    ("OMP_NUM_THREADS", "4,2"),
    ("NUMBAKER", "x"),
    ("OMP_SCHEDULE", "x"),
]


@pytest.mark.parametrize(("name", "value"), REFUSED, ids=lambda text: text[:20])
def test_a_value_without_meaning_is_refused(name, value):
    with pytest.raises(SettingError) as caught:
        check_environment({name: value})
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert name in message
    assert "unset it" in message


@pytest.mark.parametrize(("name", "value"), ACCEPTED)
def test_other_values_are_accepted(name, value):
    check_environment({name: value})


def test_the_numbers_are_those_that_numba_reads():
    assert len(number_variables()) > 50
    assert number_variables()["NUMBA_BOUNDSCHECK"] is int
    assert not {"NUMBA_CACHE_DIR", "NUMBA_CPU_NAME", "NUMBA_COLOR_SCHEME"} & set(number_variables())


@pytest.mark.parametrize("name", ["NUMBA_BOUNDSCHECK", "NUMBA_DEBUG", "NUMBA_CUDA_LOG_SIZE"])
def test_what_is_refused_numba_does_not_understand(name, run_python):
    """Numba's own warning, which it prints with a traceback, is the reason."""
    code = "import warnings; warnings.simplefilter('error'); import numba"
    environment = os.environ | {name: "rubbish"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 1
    assert name in done.stderr
    with pytest.raises(SettingError, match=name):
        check_environment({name: "rubbish"})


def test_import_kernels_raises_it():
    done = subprocess.run(
        [sys.executable, "-c", "import kernels"],
        env=os.environ | {"NUMBA_NUM_THREADS": "abc"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        "kernels.declare.errors.SettingError: the environment variable NUMBA_NUM"
    )
