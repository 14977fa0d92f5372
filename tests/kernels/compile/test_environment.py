"""Environment variables without meaning are one error when ``kernels`` is imported."""

import os
import re
import subprocess
import sys
from pathlib import Path

import llvmlite.binding as llvm
import pytest

from kernels.compile import environment
from kernels.compile.environment import cache_locators, check_environment, number_variables
from kernels.declare.errors import SettingError

OWN_FEATURES = llvm.get_host_cpu_features().flatten()

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
    ("NUMBA_CPU_FEATURES", "+nonsense"),
    ("NUMBA_CPU_FEATURES", "+avx2,-nonsense"),
    ("NUMBA_CPU_FEATURES", "+help"),
    ("NUMBA_CPU_NAME", "nonsense"),
    ("NUMBA_CPU_NAME", "host"),
    ("NUMBA_CPU_NAME", "help"),
    ("NUMBA_CPU_NAME", ""),
    ("NUMBA_COLOR_SCHEME", "pink"),
    ("NUMBA_CACHE_LOCATOR_CLASSES", "Nonsense"),
    ("NUMBA_CACHE_LOCATOR_CLASSES", "InTreeCacheLocator,nowhere.at_all.Locator"),
    ("NUMBA_FUNCTION_CACHE_SIZE", "-1"),
    ("NUMBA_LLVM_REFPRUNE_FLAGS", "all,nonsense"),
    ("NUMBA_FORCE_CUDA_CC", "abc"),
    ("NUMBA_CUDA_DEFAULT_PTX_CC", "9"),
    ("NUMBA_CUDA_LOG_LEVEL", "loud"),
    ("NUMBA_CUDA_MEMORY_MANAGER", "nowhere"),
    ("OMP_STACKSIZE", "100000G"),
    ("OMP_STACKSIZE", "0"),
    ("GOMP_STACKSIZE", "much"),
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
    ("NUMBA_CPU_NAME", "generic"),
    ("NUMBA_COLOR_SCHEME", "no_color"),
    ("NUMBA_CACHE_LOCATOR_CLASSES", "InTreeCacheLocator, numba.core.caching.UserWideCacheLocator"),
    ("NUMBA_CACHE_LOCATOR_CLASSES", ""),
    ("NUMBA_FUNCTION_CACHE_SIZE", "0"),
    ("NUMBA_LLVM_REFPRUNE_FLAGS", "per_bb, fanout_raise"),
    ("NUMBA_FORCE_CUDA_CC", "8.6"),
    ("NUMBA_CUDA_LOG_LEVEL", "debug"),
    ("NUMBA_CUDA_MEMORY_MANAGER", "default"),
    ("OMP_STACKSIZE", "4M"),
    ("OMP_STACKSIZE", " 2048 k "),
    ("OMP_STACKSIZE", "64"),
    ("NUMBA_CPU_FEATURES", OWN_FEATURES),
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
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {name: "rubbish"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1
    assert name in done.stderr
    with pytest.raises(SettingError, match=name):
        check_environment({name: "rubbish"})


def test_the_names_are_those_that_numba_and_llvm_know():
    from numba.core import caching

    assert "UserProvidedCacheLocator" in cache_locators()
    assert all(issubclass(getattr(caching, name), caching._CacheLocator) for name in cache_locators())
    assert set(environment._PRUNED) == {name.lower() for name in llvm.RefPruneSubpasses.__members__}
    errors = Path(caching.__file__).with_name("errors.py").read_text(encoding="utf-8")
    assert set(environment._SCHEMES) == set(re.findall(r"themes\['(\w+)'\] = ", errors))


def test_what_llvm_says_is_not_printed(capfd):
    check_environment({"NUMBA_CPU_NAME": llvm.get_host_cpu_name()})
    with pytest.raises(SettingError):
        check_environment({"NUMBA_CPU_NAME": "nonsense"})
    os.write(2, b"still there")
    assert capfd.readouterr().err == "still there"


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
