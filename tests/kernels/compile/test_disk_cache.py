"""A damaged compile cache is mended, one that cannot be written is done without, and one of somebody else is not used."""

import importlib.util
import os
import resource
import shutil
from contextlib import contextmanager
from pathlib import Path

import numba
import numpy as np
import pytest

from kernels.compile import cache_files, disk_cache, notices
from kernels.compile.numba_internals.compiling import caching

SOURCE = """
import numba

def twice(x):
    return x + x

@numba.njit(cache=True)
def thrice(x):
    return x + x + x
"""


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A place for caches, and nothing remembered of another."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(notices, "_told", set())
    for cached in (disk_cache.cache_folder, disk_cache._make_folder):
        cached.cache_clear()
    yield tmp_path / "cache"
    for cached in (disk_cache.cache_folder, disk_cache._make_folder):
        cached.cache_clear()


@pytest.fixture
def mine(tmp_path):
    """A module of two functions."""
    file = tmp_path / "mine.py"
    file.write_text(SOURCE)

    def load():
        spec = importlib.util.spec_from_file_location("mine", file)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def ours(root, mine):
    """Calls a function with our cache, as a new process would; returns whether it came from there."""

    def call():
        function = mine().twice
        compiled = numba.njit(function)
        compiled._cache = disk_cache.disk_cache(function)
        assert compiled(21) == 42
        return bool(sum(compiled.stats.cache_hits.values()))

    return call


@pytest.fixture
def theirs(root, mine, monkeypatch):
    """Calls a function of ``@njit(cache=True)``, as a new worker would."""
    monkeypatch.setattr(caching, "IndexDataCacheFile", caching.IndexDataCacheFile)
    guard = caching.Cache._guard_against_spurious_io_errors
    monkeypatch.setattr(caching.Cache, "_guard_against_spurious_io_errors", guard)
    cache_files.mend_other_caches()

    def call():
        compiled = mine().thrice
        assert compiled(14) == 42
        return bool(sum(compiled.stats.cache_hits.values()))

    return call


@pytest.fixture(params=["ours", "theirs"])
def call(request):
    return request.getfixturevalue(request.param)


def files(root):
    return sorted(path for path in root.rglob("*.nb?") if path.is_file())


def flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def cut(file):
    file.write_bytes(file.read_bytes()[:-7])


def halve(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file):
    file.write_bytes(b"")


def zero(file):
    file.write_bytes(bytes(file.stat().st_size))


def replace_by_folder(file):
    file.unlink()
    (file / "inner").mkdir(parents=True)


def replace_by_pipe(file):
    file.unlink()
    os.mkfifo(file)


def replace_by_pickle(file):
    file.write_bytes(b"cos\nabort\n(tR.")  # unpickling it would end the process


DAMAGES = [flip, cut, halve, empty, zero, replace_by_folder, replace_by_pipe, replace_by_pickle]


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_compiled_anew(damage, suffix, ours, root, capfd):
    assert [ours(), ours()] == [False, True]
    assert capfd.readouterr().err == ""
    (file,) = (each for each in files(root) if each.suffix == suffix)
    damage(file)
    assert ours() is False
    assert capfd.readouterr().err.splitlines() == [
        f"kernels: {file}, in the compile cache, is damaged: it is compiled anew, as is what else is damaged there"
    ]
    assert ours() is True
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("damage", [flip, cut, halve, empty, zero, replace_by_folder])
def test_so_is_one_of_a_users_function(damage, theirs, root, capfd):
    assert [theirs(), theirs()] == [False, True]
    for file in files(root):
        damage(file)
    assert theirs() is False
    assert len(capfd.readouterr().err.splitlines()) == 1
    assert theirs() is True


def test_no_bit_can_change_unnoticed(ours, root):
    ours()
    for file in files(root):
        right = file.read_bytes()
        for place in range(0, len(right), max(1, len(right) // 25)):
            content = bytearray(right)
            content[place] ^= 1 << place % 8
            file.write_bytes(content)
            assert ours() is False
            assert ours() is True


def test_the_code_of_another_function_is_not_taken(ours, root):
    ours()
    (code,) = (each for each in files(root) if each.suffix == ".nbc")
    content = code.read_bytes().rpartition(cache_files._SEAL)[0]
    code.write_bytes(content + cache_files._SEAL + cache_files._digest(code.with_name("other.nbc"), content))
    assert ours() is False


def test_plain_numba_reads_the_cache_of_a_users_function(theirs, root, mine, monkeypatch):
    theirs()
    monkeypatch.undo()
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(root))
    compiled = mine().thrice
    assert compiled(14) == 42
    assert sum(compiled.stats.cache_hits.values()) == 1


@contextmanager
def file_sizes(most):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_cache_that_cannot_be_written_is_done_without(call, root, capfd):
    with file_sizes(1000):  # enough for the line on standard error, which is a file here
        assert [call(), call()] == [False, False]
    (line,) = capfd.readouterr().err.splitlines()
    assert "File too large" in line
    assert "NUMBA_CACHE_DIR" in line
    assert not list(root.rglob("*.tmp.*"))
    assert [call(), call()] == [False, True]


def test_without_a_place_for_a_cache(ours, root, capfd):
    root.write_text("a file where the folder should be")
    assert [ours(), ours()] == [False, False]
    (line,) = capfd.readouterr().err.splitlines()
    assert str(root) in line
    assert "NUMBA_CACHE_DIR" in line


def test_a_file_in_place_of_a_folder(ours, root):
    ours()
    folder = files(root)[0].parent
    shutil.rmtree(folder)
    folder.write_text("")
    disk_cache._make_folder.cache_clear()
    assert [ours(), ours()] == [False, True]


def test_the_folder_is_the_users_alone(ours, root):
    ours()
    folder = disk_cache.cache_folder()
    assert folder.parent.parent == root
    assert [each.stat().st_mode & 0o777 for each in (folder, folder.parent)] == [0o700, 0o700]
    folder.parent.chmod(0o755)
    disk_cache.cache_folder.cache_clear()
    assert disk_cache.cache_folder() == folder
    assert folder.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o770, 0o707])
@pytest.mark.parametrize("depth", [0, 1])
def test_a_folder_that_others_can_write_to_is_not_used(mode, depth, ours, root, capfd):
    ours()
    folder = [disk_cache.cache_folder(), disk_cache.cache_folder().parent][depth]
    folder.chmod(mode)
    disk_cache.cache_folder.cache_clear()
    assert [ours(), ours()] == [False, False]
    (line,) = capfd.readouterr().err.splitlines()
    assert f"{folder} can be written by other users" in line
    assert "NUMBA_CACHE_DIR" in line


def test_a_folder_of_another_user_is_not_used(ours, root, capfd, monkeypatch):
    ours()
    monkeypatch.setattr(os, "geteuid", lambda: root.stat().st_uid + 1)
    disk_cache.cache_folder.cache_clear()
    assert ours() is False
    assert "belongs to another user" in capfd.readouterr().err


def test_a_command_mends_its_cache(tmp_path, run_python):
    code = """
import sys
from workbench.cli import run
assert run(["check", "relu", "--dtype", "float32", "--examples", "2", "--json", sys.argv[1]]) == 0
"""
    variables = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    code = code.replace("sys.argv[1]", repr(str(tmp_path / "checked.json")))
    run_python(code, **variables)
    for number, file in enumerate(files(tmp_path / "cache")):
        DAMAGES[number % len(DAMAGES)](file)
    run_python(code, **variables)
    for file in files(tmp_path / "cache"):
        assert cache_files._is_sealed(Path(file))
    assert np.all([file.is_file() for file in (tmp_path / "cache").rglob("*.nb?")])
