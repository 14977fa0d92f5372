"""Only one package of each half uses Numba's internals, and states the versions that it was tested with."""

import ast
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest

from kernels.compile import numba_internals as kernels_internals
from workbench import numba_internals as workbench_internals
from workbench.cli import run
from workbench.system.errors import InputError
from workbench.target.file import load_file

ROOT = Path(__file__).parents[1]
DOCUMENTED = {"numba", "numba.cuda", "numba.extending", "numba.types"}
PACKAGES = {"kernels": ROOT / "kernels/compile/numba_internals", "workbench": ROOT / "workbench/numba_internals"}


@cache
def is_module(name):
    """Return whether a dotted name is a module, not a function or class in one."""
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # the parent is a module, not a package
        return False


def imported(tree):
    """Yield the modules that a source imports, and those that it reaches as ``numba.name``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module.partition(".")[0] in ("numba", "llvmlite"):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if is_module(name) else node.module for name in names)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "numba":
            yield f"numba.{node.attr}" if is_module(f"numba.{node.attr}") else "numba"


def internals(tree):
    """Return the undocumented modules of Numba, and those of llvmlite, that a source uses."""
    return sorted(
        name
        for name in set(imported(tree)) - DOCUMENTED
        if name.partition(".")[0] in ("numba", "llvmlite", "numba_cuda")
    )


def sources(half):
    """Yield each file of a half outside its package of internals, parsed."""
    for file in (ROOT / half).rglob("*.py"):
        if PACKAGES[half] not in file.parents:
            yield file, ast.parse(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("half", PACKAGES)
def test_nothing_else_imports_them(half):
    assert {str(file): found for file, tree in sources(half) if (found := internals(tree))} == {}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from numba.core import types", ["numba.core.types"]),
        ("from numba.core.errors import NumbaError", ["numba.core.errors"]),
        ("from numba import core", ["numba.core"]),
        ("def f():\n    from numba.cuda import dispatcher", ["numba.cuda.dispatcher"]),
        ("import llvmlite.binding as llvm", ["llvmlite.binding"]),
        ("from llvmlite import ir", ["llvmlite.ir"]),
        ("import numba\nnumba.core.types", ["numba.core"]),
        ("import numba.np.arrayobj", ["numba.np.arrayobj"]),
        (
            "import numba\nfrom numba import cuda, njit, types\nfrom numba.extending import overload\nnumba.types.int64",
            [],
        ),
    ],
)
def test_an_import_of_them_is_detected(source, found):
    assert internals(ast.parse(source)) == found


@pytest.mark.parametrize("half", PACKAGES)
def test_what_is_exported_is_used(half):
    package = ".".join(PACKAGES[half].relative_to(ROOT).parts)
    exported = {
        (f"{package}.{file.stem}", alias.asname or alias.name)
        for file in PACKAGES[half].glob("*.py")
        if file.stem != "__init__"
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    used = {
        (node.module, alias.name)
        for _, tree in sources(half)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert len(exported) > 10
    assert exported - used == set()


@pytest.mark.plain
@pytest.mark.parametrize(("simulator", "absent"), [("0", "cuda_simulator"), ("1", "cuda_compiler")])
def test_every_name_exists(simulator, absent, run_python):
    names = [
        ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for package in PACKAGES.values()
        for file in package.glob("*.py")
        if file.stem not in ("__init__", absent)
    ]
    code = "\n".join(f"from {name} import *" for name in names)
    assert run_python(f"{code}\nprint('all')", NUMBA_ENABLE_CUDASIM=simulator) == "all\n"


def test_the_tested_versions_are_installed():
    """Fails with another version: test this project with it, then change ``TESTED``."""
    assert kernels_internals.untested(workbench_internals.TESTED) == []


@pytest.mark.parametrize(
    ("installed", "differs"),
    [("0.68", False), ("0.68.1", False), ("0.68.2rc1", False), ("0.680", True), ("0.69.0", True)],
)
def test_another_version_is_named(installed, differs, monkeypatch):
    monkeypatch.setattr(kernels_internals, "version", lambda _name: installed)
    expected = [f"numba {installed}, tested with 0.68"] if differs else []
    assert kernels_internals.untested({"numba": ("0.68", "0.68")}) == expected


@pytest.mark.parametrize(
    ("installed", "differs"),
    [
        ("0.63.1", True),
        ("0.64.0rc1", False),
        ("0.64", False),
        ("0.68.9", False),
        ("0.70", True),
        ("0.7", True),
        ("1.65", True),
    ],
)
def test_versions_between_the_lowest_and_the_highest_are_tested(installed, differs, monkeypatch):
    monkeypatch.setattr(kernels_internals, "version", lambda _name: installed)
    expected = [f"numba {installed}, tested with 0.64 to 0.68"] if differs else []
    assert kernels_internals.untested({"numba": ("0.64", "0.68")}) == expected


@pytest.mark.plain
def test_the_cpu_needs_no_numba_cuda(run_python):
    code = "import kernels, numpy, sys, workbench.checking.check_run, workbench.inspecting.cpu.cpu_inspection"
    use = "kernels.relu(numpy.ones(4, 'float32'))"
    assert run_python(f"{code}; {use}; print('numba.cuda' in sys.modules)", NUMBA_ENABLE_CUDASIM="0") == "False\n"


def test_an_error_with_other_versions_is_one_line(monkeypatch, capsys, tmp_path):
    def fail(*_):
        raise AttributeError("module 'numba.cuda.types' has no attribute 'NPDatetime'")

    monkeypatch.setattr("workbench.system.machine.summary", fail)
    assert workbench_internals.untested_versions() == ""
    with pytest.raises(AttributeError):
        run(["info"])
    monkeypatch.setattr(workbench_internals, "TESTED", {"numba": ("0.1", "0.2"), "not-installed": ("1.0", "1.0")})
    assert run(["info"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "NPDatetime" in line
    assert f"numba {version('numba')}, tested with 0.1 to 0.2: install a tested version" in line
    (tmp_path / "mine.py").write_text("import numba\nnumba.nothing")
    with pytest.raises(InputError, match=r"AttributeError.*tested with 0\.1 to 0\.2"):
        load_file(str(tmp_path / "mine.py"))
