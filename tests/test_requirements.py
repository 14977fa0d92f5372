"""The bounds of pyproject.toml are the versions that are tested: the pins of the two constraints files."""

import tomllib
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from numba import njit
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from workbench.numba_internals import TESTED

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
UNTESTED = {"torch", "onnx", "onnxruntime", "nvidia-ml-py"}
"""Packages that neither target installs: peers, which are timed and not relied on, and those that need a GPU."""


OF_OTHERS = {"pyparsing"}
"""What only the lowest versions of others need to be older."""


def requirements(*extras):
    """Return the requirements of an installation, and of extras, that are not this project's own."""
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in EXTRAS[extra])]
    found = [Requirement(line) for line in lines]
    return [each for each in found if each.name != PROJECT["name"]]


def pins(name):
    """Return the versions of a constraints file by package."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return {
        name: Version(version) for name, version in (line.split("==") for line in lines if not line.startswith("#"))
    }


LOWEST, NEWEST = pins("constraints-lowest.txt"), pins("constraints.txt")
ALL = [each for each in requirements(*EXTRAS) if each.name not in UNTESTED]


def lower_bound(specifiers):
    """Return the lowest version that a requirement names."""
    (bound,) = (each.version for each in specifiers if each.operator in (">=", "=="))
    return Version(bound)


def test_the_lowest_constraints_pin_what_pyproject_requires_and_nothing_else():
    assert set(LOWEST) - OF_OTHERS == {each.name for each in ALL}
    assert set(LOWEST) <= set(NEWEST)


@pytest.mark.parametrize("requirement", ALL, ids=str)
def test_every_lower_bound_is_the_lowest_version_tested(requirement):
    bound, pin = lower_bound(requirement.specifier), LOWEST[requirement.name]
    assert pin.release[: len(bound.release)] == bound.release
    assert pin in requirement.specifier


@pytest.mark.parametrize("requirement", ALL, ids=str)
def test_the_newest_version_tested_is_admitted_and_the_next_is_not(requirement):
    pin = NEWEST[requirement.name]
    assert pin in requirement.specifier
    upper = [each for each in requirement.specifier if each.operator == "<"]
    if upper:
        assert upper == list(SpecifierSet(f"<{pin.major}.{pin.minor + 1}"))


def test_a_plain_install_suffices_for_matrix_products_and_pictures():
    """Numba compiles ``x @ w.T`` with SciPy's BLAS; ``workbench roofline --out roofline.png`` needs matplotlib."""
    assert {"scipy", "matplotlib"} <= {each.name for each in requirements()}
    x = np.ones((2, 3))
    assert njit(lambda x, w: x @ w.T)(x, x).tolist() == [[3, 3], [3, 3]]


def test_the_internals_have_an_upper_bound():
    bounded = {each.name for each in ALL if any(one.operator in ("<", "==") for one in each.specifier)}
    assert {"numba", "numba-cuda", "numpy"} <= bounded


def test_the_internals_tested_are_those_of_the_constraints():
    for name, (lowest, highest) in TESTED.items():
        if name in LOWEST:
            assert LOWEST[name].release[:2] == Version(lowest).release
        assert NEWEST[name].release[:2] == Version(highest).release


def test_the_installed_metadata_is_that_of_pyproject():
    """Messages print the bounds of the installed metadata."""
    installed = [Requirement(line) for line in metadata.requires(PROJECT["name"])]
    names = {(each.name, str(each.specifier)) for each in installed}
    assert names == {
        (each.name, str(each.specifier)) for each in [*requirements(*EXTRAS), Requirement(PROJECT["name"])]
    }
