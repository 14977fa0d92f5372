"""Another package with a folder ``kernels/`` is noticed, whichever was installed first; the commands that add packages."""

import os
import re
import shlex
import site
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

import kernels
from kernels import installation
from workbench.system import installation as checked

ROOT = Path(__file__).parents[3]
RIVAL = {"kernels/__init__.py": "def get_kernel(name):\n    return name\n", "kernels/layer.py": "LAYERS = {}\n"}


def wheel(folder, name, version, files):
    """Write a wheel with these files, path -> text."""
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    files = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    path = folder / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for each, text in (files | {f"{info}/RECORD": record}).items():
            archive.writestr(each, text)
    return path


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """This project and its rival as wheels."""
    folder = tmp_path_factory.mktemp("wheels")
    files = [path for half in ("kernels", "workbench") for path in (ROOT / half).rglob("*.py")]
    ours = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in files}
    return {
        "ours": wheel(folder, "kernel-workbench", "0.1.0", ours),
        "theirs": wheel(folder, "kernels", "0.10.3", RIVAL),
    }


class Environment:
    """A virtual environment of its own, which finds this environment's packages behind its own."""

    def __init__(self, folder):
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        self.python = folder / "bin" / "python"
        (self.packages,) = folder.glob("lib/python*/site-packages")

    def pip(self, *arguments):
        command = [sys.executable, "-m", "pip", "--python", self.python, *arguments]
        subprocess.run(command, check=True, capture_output=True)

    def install(self, path):
        self.pip("install", "--no-index", "--no-deps", "--force-reinstall", path)

    def run(self, *arguments):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        behind = self.packages / "behind.pth"  # not there for pip, which could take the packages for its own
        behind.write_text("".join(f"{path}\n" for path in site.getsitepackages()))
        done = subprocess.run(
            [self.python, *arguments],
            cwd=self.packages.parent,
            env=environment | {"NUMBA_ENABLE_CUDASIM": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        behind.unlink()
        return done


@pytest.fixture
def environment(tmp_path):
    return Environment(tmp_path / "environment")


def refusal(done):
    """Return the single line of a command that was refused."""
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("workbench: ")
    assert "environment of its own" in line
    return line


def test_the_rival_installed_over_this_is_noticed_and_so_is_its_removal(environment, wheels):
    environment.install(wheels["ours"])
    assert environment.run("-m", "workbench", "ops").returncode == 0
    environment.install(wheels["theirs"])
    for command in (["info"], ["ops"], ["train"], ["check", "relu"]):
        line = refusal(environment.run("-m", "workbench", *command))
        assert "kernels 0.10.3" in line
        assert "-m pip uninstall kernels; " in line
        assert str(wheels["ours"]) in line
    environment.pip("uninstall", "--yes", "kernels")
    assert "not complete" in refusal(environment.run("-m", "workbench", "info"))
    repair = re.search(r"pip install (--force-reinstall.*)", line)[1]
    environment.pip("install", "--no-index", *shlex.split(repair))
    done = environment.run("-m", "workbench", "ops")
    assert (done.returncode, done.stderr) == (0, "")


def test_this_installed_over_the_rival_is_told(environment, wheels):
    environment.install(wheels["theirs"])
    environment.install(wheels["ours"])
    done = environment.run("-m", "workbench", "ops")
    assert done.returncode == 0
    assert "conv2d" in done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith("workbench: kernels 0.10.3 was installed into the same folder")
    assert "environment of its own" in line
    done = environment.run("-c", "import kernels; print(len(kernels.OPS))")
    assert int(done.stdout) == len(kernels.OPS)
    assert "InstallationWarning: kernels 0.10.3" in done.stderr
    environment.pip("uninstall", "--yes", "kernels")
    assert "not complete" in refusal(environment.run("-m", "workbench", "info"))


def test_the_rival_elsewhere_does_not_matter(tmp_path, monkeypatch, recwarn):
    installation.warn_of_rival()
    elsewhere = metadata.PathDistribution(tmp_path / "kernels-1.dist-info")
    monkeypatch.setattr(installation, "distribution", lambda _name: elsewhere)
    installation.warn_of_rival()
    assert list(recwarn) == []
    assert checked.fault() is None


def test_help_needs_no_metadata(run_python):
    code = "import sys; from workbench.cli import run; run(['--help']); print('importlib.metadata' in sys.modules)"
    assert run_python(code).splitlines()[-1] == "False"


@pytest.fixture
def declared(monkeypatch):
    """The requirements of an installation."""
    lines = [
        "numpy<2.6,>=2.0",
        "matplotlib>=3.9",
        'numba-cuda[cu13]<0.31,>=0.30; extra == "cuda"',
        'numpy<2.5; extra == "cuda"',
        "numba-cuda<0.31,>=0.30; sys_platform == 'linux' and extra == 'sim'",
        'torch>=2.4; extra == "peers"',
        'onnx>=1.15; extra == "peers"',
    ]
    monkeypatch.setattr(installation, "requires", lambda _name: lines)


def test_the_remedy_is_that_of_the_environment(monkeypatch):
    found = {"kernels": None, "pip": None}
    monkeypatch.setattr(checked, "find_spec", found.get)
    assert f"or here again: uv pip install --python {sys.executable} --force" in checked.fault()
    found["pip"] = object()
    assert f"or here again: {sys.executable} -m pip install --force" in checked.fault()


@pytest.mark.usefixtures("declared")
@pytest.mark.parametrize(
    ("packages", "extra", "expected"),
    [
        ((), "cuda", ["numba-cuda[cu13]<0.31,>=0.30", "numpy<2.5"]),
        ((), "sim", ["numba-cuda<0.31,>=0.30"]),
        (("onnx",), "peers", ["onnx>=1.15"]),
        (("matplotlib",), None, ["matplotlib>=3.9"]),
    ],
)
def test_the_command_names_packages_with_their_bounds(packages, extra, expected, monkeypatch):
    monkeypatch.setattr(installation, "find_spec", lambda _name: object())
    command = shlex.split(installation.install_command(*packages, extra=extra))
    assert command == [sys.executable, "-m", "pip", "install", *expected]


@pytest.mark.usefixtures("declared")
def test_the_command_is_that_of_the_environment(monkeypatch, tmp_path):
    monkeypatch.setattr(installation, "find_spec", lambda _name: None)
    command = shlex.split(installation.install_command("onnx", extra="peers"))
    assert command == ["uv", "pip", "install", "--python", sys.executable, "onnx>=1.15"]
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    (tmp_path / "pipx_metadata.json").write_text("{}")
    command = shlex.split(installation.install_command("onnx", extra="peers"))
    assert command == ["pipx", "inject", "kernel-workbench", "onnx>=1.15"]


def test_sources_that_are_not_installed_are_named(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(installation, "requires", missing)
    assert shlex.split(installation.install_command(extra="sim"))[-1] == f"{ROOT}[sim]"
    assert shlex.split(installation.install_command("torch", extra="peers"))[-1] == "torch"


def test_every_extra_in_a_message_exists():
    """The messages name extras of this installation."""
    extras = set(metadata.metadata("kernel-workbench").get_all("Provides-Extra"))
    named = set()
    for half in ("kernels", "workbench"):
        for file in (ROOT / half).rglob("*.py"):
            named |= set(re.findall(r'install_command\([^)]*extra=["\']?(\w+)', file.read_text(encoding="utf-8")))
    assert {"cuda", "sim", "ptx"} <= named <= extras
