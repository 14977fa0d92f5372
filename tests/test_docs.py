"""The code in the documentation runs unchanged, and its commands print the output shown."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from docs.draw_architecture import PICTURE, packages, picture

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
FENCE = re.compile(r"```(\w+)(?: (\S+))?\n(.*?)```", flags=re.DOTALL)
MASKED = (
    (re.compile(r"--replay \S+"), "--replay TOKEN"),
    (re.compile(r"^cuda skipped: .*", flags=re.MULTILINE), "cuda skipped"),
)
"""Patterns of output that may differ between runs, and their replacements."""


AVX2 = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+bmi,+bmi2,+sse4.2,+popcnt,+lzcnt"}
"""The processor for which pages show machine code, on any machine."""

PAGES = {"checking-a-kernel.md": {}, "adding-an-op.md": {}, "simulating-cuda.md": {}, "inspecting-a-kernel.md": AVX2}
"""The pages whose commands are run, each with additional environment variables."""


@pytest.fixture
def run(warm_workbench):
    """Run a command of a page as a shell would; return its standard output."""

    def run_in(folder, command, token="", environment=None):
        words = [token if word == "TOKEN" else word for word in shlex.split(command)]
        variables = os.environ | {"NUMBA_ENABLE_CUDASIM": "0"} | (environment or {})
        if words[0] == "workbench":
            done = warm_workbench(words[1:], folder, variables)
        else:
            if words[0] == "python":
                words[0] = sys.executable
            if words[0] == "pytest":
                words[:1] = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
            done = subprocess.run(words, cwd=folder, env=variables, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout

    return run_in


def transcripts(page):
    """Yield the commands of a page, each with the output shown below it."""
    for kind, _, text in FENCE.findall(page):
        if kind == "console":
            for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                command, _, output = part.partition("\n")
                yield command, output


def comparable(text):
    """Return the lines of a text that are not blank, with tokens and reasons for an absent GPU replaced."""
    for pattern, word in MASKED:
        text = pattern.sub(word, text)
    lines = text.splitlines()
    return [line.rstrip() for line in lines if line.strip()]


@pytest.mark.parametrize("name", PAGES)
def test_the_page_shows_what_is_printed(name, tmp_path, run):
    page = (DOCS / name).read_text()
    for kind, file, code in FENCE.findall(page):
        if kind == "python" and file:
            (tmp_path / file).write_text(code)
    token = ""
    for command, shown in transcripts(page):
        printed = run(tmp_path, command, token, PAGES[name])
        found = re.search(r"--replay (\S+)", printed)
        token = found[1] if found else token
        assert comparable(printed) == comparable(shown), command


def test_the_worked_micro_kernel_is_right(tmp_path, run):
    page = (DOCS / "register-tiles.md").read_text()
    ((_, file, code),) = [fence for fence in FENCE.findall(page) if fence[0] == "python"]
    (tmp_path / file).write_text(code)
    rows = [line.split() for line in run(tmp_path, f"workbench check {file} --examples 30").splitlines()]
    assert [row[3:5] for row in rows if row[:2] == ["dense", "my_dense"]] == [["float32", "pass"], ["float64", "pass"]]


def test_the_pages_own_test_passes(tmp_path, run):
    page = (DOCS / "checking-a-kernel.md").read_text()
    for kind, file, code in FENCE.findall(page):
        if kind == "python" and file:
            (tmp_path / file).write_text(code.replace("0 <= col < height", "0 <= col < width"))
    assert "1 passed" in run(tmp_path, "pytest -q test_my_conv.py")


def test_the_readme_s_code_runs(tmp_path, run):
    fences = [fence for fence in FENCE.findall((ROOT / "README.md").read_text()) if fence[0] == "python"]
    assert {bool(file) for _, file, _ in fences} == {True, False}
    for _, file, code in fences:
        (tmp_path / (file or "from_python.py")).write_text(code)
        command = f"workbench check {file} --examples 20" if file else "python from_python.py"
        printed = run(tmp_path, command)
        assert "2 pass" in printed if file else "conv2d runs" in printed


LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize(
    "page", sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md"), *(ROOT / "examples").glob("*.md")]), ids=str
)
def test_links_lead_somewhere(page):
    links = [link for link in LINK.findall(page.read_text()) if not link.startswith(("http:", "https:"))]
    assert [link for link in links if not (page.parent / link).exists()] == []


FILE_NAME = re.compile(r"`((?:kernels|workbench|tests|benchmarks|docs)/[\w./-]*)`")


@pytest.mark.parametrize("page", sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md")]), ids=lambda page: page.name)
def test_named_files_are_there(page):
    named = set(FILE_NAME.findall(page.read_text()))
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("half", ["kernels", "workbench"])
def test_the_map_lists_every_package(half):
    page = (DOCS / "architecture.md").read_text()
    section = page.partition(f"### {half}/\n")[2].partition("\n#")[0]
    assert set(re.findall(r"^\| `(\w+)/` \|", section, flags=re.MULTILINE)) == set(packages(half))


def test_the_map_s_picture_is_current():
    assert PICTURE.read_text() == picture(), "python -m docs.draw_architecture draws it again"
