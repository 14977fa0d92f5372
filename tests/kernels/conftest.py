"""What the tests of the kernels share."""

import numpy as np
import pytest


@pytest.fixture
def compiled_elsewhere(dtype, request):
    """Leave CPU kernels in float64 to ``make test-codegen``: to compile them takes longer than to run them."""
    on_cuda = "target" in request.fixturenames and request.getfixturevalue("target").label != "cpu"
    if np.dtype(dtype) == np.float64 and not on_cuda and not request.config.getoption("codegen"):
        pytest.skip("compiling is what takes the time; make test-codegen does it for all processors, this one too")
