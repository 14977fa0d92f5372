"""The code in the documentation runs as it stands, and its commands print what it shows."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
FENCE = re.compile(r"```(\w+)(?: (\S+))?\n(.*?)```", flags=re.DOTALL)
MASKED = (
    (re.compile(r"--replay \S+"), "--replay TOKEN"),
    (re.compile(r"^cuda skipped: .*", flags=re.MULTILINE), "cuda skipped"),
)
"""What may differ from one run to another, and what stands for it."""


AVX2 = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+bmi,+bmi2,+sse4.2,+popcnt,+lzcnt"}
"""What machine code is shown for, on whatever machine."""

PAGES = {"checking-a-kernel.md": {}, "adding-an-op.md": {}, "simulating-cuda.md": {}, "inspecting-a-kernel.md": AVX2}
"""What the commands of each page find in the environment."""


@pytest.fixture
def run(warm_workbench):
    """Run a command of a page as a shell would; give what it prints on standard output."""

    def run_in(folder, command, token="", environment=None):
        words = [token if word == "TOKEN" else word for word in shlex.split(command)]
        variables = os.environ | {"NUMBA_ENABLE_CUDASIM": "0"} | (environment or {})
        if words[0] == "workbench":
            done = warm_workbench(words[1:], folder, variables)
        else:
            if words[0] == "pytest":
                words[:1] = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
            done = subprocess.run(words, cwd=folder, env=variables, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout

    return run_in


def transcripts(page):
    """The commands of a page, each with the lines that it shows below it."""
    for kind, _, text in FENCE.findall(page):
        if kind == "console":
            for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                command, _, output = part.partition("\n")
                yield command, output


def comparable(text):
    """Text without the tokens and the reason why there is no GPU; short of blank lines."""
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
