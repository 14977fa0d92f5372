"""What the report says of the limits of a machine and of its noise."""

import pytest

from workbench.report.machine_limits import noise


@pytest.mark.parametrize(
    ("floor", "words"),
    [
        (0.02, "Smaller differences are not counted as differences."),
        (None, "Noise floor unknown.</strong> relu_cpu on relu relu-4k, timed against itself"),
        (None, "Nothing is concluded from this case."),
    ],
)
def test_a_noise_floor_that_is_unknown_is_told(floor, words):
    control = {"op": "relu", "case": "relu-4k", "implementation": "relu_cpu", "ratio": 0.66, "low": 0.0, "high": None}
    assert words in str(noise([control | {"noise": floor}], 0.99))
