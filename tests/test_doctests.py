"""The examples in docstrings print what they show."""

import doctest
import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = [
    file
    for half in ("kernels", "workbench")
    for file in sorted((ROOT / half).rglob("*.py"))
    if re.search(r"^\s*>>> ", file.read_text(), re.MULTILINE)
]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_examples(file, monkeypatch):
    monkeypatch.setattr("workbench.target.decorator.declared", [])
    module = import_module(".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed


def test_there_are_examples():
    assert FILES
