"""The compile cache: it never runs stale code, and kernels run without it if its folder cannot be written."""

import os
import shutil
import time
from pathlib import Path

import numba
import pytest

import kernels
from kernels.compile import disk_cache

DAY = 86_400


@pytest.fixture
def root(tmp_path, monkeypatch):
    """An empty place for caches."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of two modules instead of ``kernels``."""
    folder = tmp_path / "package"
    (folder / "inner").mkdir(parents=True)
    (folder / "a.py").write_text("a = 1\n")
    (folder / "inner" / "b.py").write_text("b = 1\n")
    monkeypatch.setattr(disk_cache, "KERNELS", folder)
    return folder


def cache_folder():
    """The folder that a new process would take."""
    disk_cache.cache_folder.cache_clear()
    try:
        return disk_cache.cache_folder()
    finally:
        disk_cache.cache_folder.cache_clear()


def edit(package):
    (package / "inner" / "b.py").write_text("b = 2\n")


def add(package):
    (package / "inner" / "c.py").write_text("")


def remove(package):
    (package / "a.py").unlink()


def rename(package):
    (package / "a.py").rename(package / "z.py")


def swap(package):
    first, second = package / "a.py", package / "inner" / "b.py"
    texts = first.read_text(), second.read_text()
    second.write_text(texts[0])
    first.write_text(texts[1])


@pytest.mark.parametrize("change", [edit, add, remove, rename, swap])
def test_any_change_of_the_sources_starts_a_new_folder(change, root, package):
    before = cache_folder()
    assert before.is_dir()
    assert before.is_relative_to(root)
    assert cache_folder() == before
    os.utime(package / "a.py", (0, 0))  # the content counts, not the date
    (package / "notes.txt").write_text("no source")
    assert cache_folder() == before
    change(package)
    assert cache_folder() != before


def test_an_edit_of_any_source_of_the_kernels_starts_a_new_folder(root, tmp_path, monkeypatch):
    package = shutil.copytree(
        Path(kernels.__file__).parent, tmp_path / "kernels", ignore=shutil.ignore_patterns("*.pyc")
    )
    assert package.parent / disk_cache.KERNELS.name == package
    assert {*disk_cache.KERNELS.rglob("*.py")} == {*Path(kernels.__file__).parent.rglob("*.py")}
    monkeypatch.setattr(disk_cache, "KERNELS", package)
    folders = [cache_folder()]
    for source in sorted(package.rglob("*.py")):
        source.write_text(source.read_text() + "# an edit\n")
        folders.append(cache_folder())
    assert len(set(folders)) == len(folders) > 60


def test_another_version_starts_a_new_folder(root, package, monkeypatch):
    before = cache_folder()
    monkeypatch.setattr(disk_cache, "version", lambda name: f"{name} of tomorrow")
    assert cache_folder() != before


def test_a_copy_of_the_sources_shares_the_folder(root, package, tmp_path, monkeypatch):
    before = cache_folder()
    copy = shutil.copytree(package, tmp_path / "copy")
    monkeypatch.setattr(disk_cache, "KERNELS", copy)
    assert cache_folder() == before


def test_folders_of_long_ago_are_removed(root, package):
    used = cache_folder()
    ages = {"old": 31, "recent": 29}
    for name, days in ages.items():
        folder = used.parent / name
        folder.mkdir()
        (folder / "code").write_text("")
        os.utime(folder, (time.time() - days * DAY,) * 2)
    os.utime(used, (time.time() - 40 * DAY,) * 2)
    assert cache_folder() == used  # used again, so no longer old
    edit(package)
    new = cache_folder()
    assert {folder.name for folder in used.parent.iterdir()} == {used.name, new.name, "recent"}


def test_an_edit_of_an_inlined_function_takes_effect(tmp_path, run_python):
    """Numba alone would go on running the machine code that inlined the function of another file."""
    package = shutil.copytree(disk_cache.KERNELS, tmp_path / "kernels", ignore=shutil.ignore_patterns("__pycache__"))
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import kernels
assert kernels.__path__ == [{str(package)!r}]
print(kernels.max_pool2d([[[[1.0, 2.0, 0.0]]]], (1, 2), stride=3).item())
"""
    cache = str(tmp_path / "cache")
    assert run_python(code, NUMBA_CACHE_DIR=cache) == "2.0\n"
    scalars = package / "ops" / "pool2d" / "scalars.py"
    scalars.write_text(scalars.read_text().replace("value > best", "value < best"))
    assert run_python(code, NUMBA_CACHE_DIR=cache) == "-inf\n"


def test_a_kernel_outside_the_package_is_cached_too(tmp_path, run_python):
    (tmp_path / "mine.py").write_text("""
from kernels.compile.jit import cpu_kernel

@cpu_kernel
def twice(x, y):
    for i in range(x.size):
        y[i] = 2 * x[i]
""")
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import numpy as np
from mine import twice
x, y = np.ones(3), np.zeros(3)
twice(x, y)
print(y.sum(), sum(twice.stats.cache_hits.values()))
"""
    cache = str(tmp_path / "cache")
    assert run_python(code, NUMBA_CACHE_DIR=cache) == "6.0 0\n"
    assert run_python(code, NUMBA_CACHE_DIR=cache) == "6.0 1\n"


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import kernels", id="kernels"),
        pytest.param("import workbench", id="workbench"),
        pytest.param(
            "import kernels; [each.name for name in kernels.OPS for each in kernels.implementations(name)]", id="list"
        ),
        pytest.param("import kernels; kernels.explain('conv2d', (1, 1, 3, 3), (1, 1, 2, 2))", id="explain"),
    ],
)
def test_what_needs_no_compiler_does_not_import_it(code, run_python):
    """``workbench --help`` and ``workbench ops`` must answer at once; Numba alone takes longer."""
    loaded = run_python(f"{code}; import sys; print(*sys.modules)").split()
    assert not {"numba", "numba.cuda", "llvmlite", "torch"} & set(loaded)


def test_a_helper_made_from_anothers_options_can_be_called(run_python):
    """As unpickling makes it, in another process; without a wrapper for Python the call would end that."""
    code = """
from kernels.compile.jit import cpu_core
@cpu_core
def double(x):
    return x + x
copy = type(double)(double.py_func, {}, double.targetoptions)
print(double(2), copy(3))
"""
    assert run_python(code) == "4 6\n"
