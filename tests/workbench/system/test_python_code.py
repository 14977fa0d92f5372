import numba
import numpy as np
import pytest
from numba import cuda

from workbench.system.python_code import closure_values, is_library_file, names_in


def half_bound():
    kept = [3]

    def inner(x):
        return [np.add(x, each) for each in kept] + late

    yield inner
    late = [4]
    yield inner


def test_names_are_those_of_the_functions_inside_too():
    assert names_in(half_bound.__code__) == {"np", "add"}


def test_what_is_not_bound_is_no_value():
    steps = half_bound()
    assert list(closure_values(next(steps))) == [[3]]
    assert list(closure_values(next(steps))) == [[3], [4]]
    assert list(closure_values(half_bound)) == []


@pytest.mark.parametrize("module", [numba.core.types, np.linalg, cuda, cuda.jit])
def test_a_librarys_files_are_known(module):
    assert is_library_file(getattr(module, "__file__", None) or module.__code__.co_filename)


@pytest.mark.parametrize("file", [__file__, "/home/a/numba/blur.py", "<string>", ""])
def test_other_files_are_not_a_librarys(file):
    assert not is_library_file(file)
