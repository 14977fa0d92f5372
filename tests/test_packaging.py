"""The source distribution has every file of the repository: the Makefile works there as it does in a checkout."""

import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NEEDLESS = {".gitignore"}
ALWAYS = {"MANIFEST.in", "README.md", "LICENSE", "pyproject.toml"}
"""Files that setuptools adds by itself."""


def tracked():
    """Return the files of the repository."""
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a checkout of the repository")
    return [name for name in done.stdout.splitlines() if (ROOT / name).exists()]


def is_included(name):
    """Return whether a file is in the source distribution: by MANIFEST.in, or as part of a package."""
    if name in ALWAYS:
        return True
    for line in (ROOT / "MANIFEST.in").read_text(encoding="utf-8").splitlines():
        kind, *words = line.split()
        if kind == "include" and name in words:
            return True
        if kind == "recursive-include" and name.startswith(f"{words[0]}/"):
            return any(fnmatch(name.rpartition("/")[2], pattern) for pattern in words[1:])
    half, _, inside = name.partition("/")
    if half not in ("kernels", "workbench"):
        return False
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    return name.endswith(".py") or any(fnmatch(inside, pattern) for pattern in setuptools["package-data"][half])


def test_the_source_distribution_is_complete():
    assert [name for name in tracked() if not is_included(name) and name not in NEEDLESS] == []


def test_a_file_that_is_left_out_is_noticed():
    assert not is_included("new/module.py")
    assert not is_included("workbench/report/roof.svg")
    assert is_included("benchmarks/cuda_budget.json")
