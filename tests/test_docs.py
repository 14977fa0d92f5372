"""The code in the documentation runs as it stands, and its commands print what it shows."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
FENCE = re.compile(r"```(\w+)(?: (\S+))?\n(.*?)```", flags=re.DOTALL)
MASKED = (
    (re.compile(r"--replay \S+"), "--replay TOKEN"),
    (re.compile(r"^cuda skipped: .*", flags=re.MULTILINE), "cuda skipped"),
)
"""What may differ from one run to another, and what stands for it."""


AVX2 = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+bmi,+bmi2,+sse4.2,+popcnt,+lzcnt"}
"""What machine code is shown for, on whatever machine."""

PAGES = {"checking-a-kernel.md": {}, "adding-an-op.md": {}, "inspecting-a-kernel.md": AVX2}
"""What the commands of each page find in the environment."""


def run(command, folder, token, environment=None):
    """Run a command of a page as a shell would; give the exit code and what it prints on standard output."""
    words = [token if word == "TOKEN" else word for word in shlex.split(command)]
    if words[0] == "workbench":
        words[:1] = [sys.executable, "-m", "workbench"]
    elif words[0] == "pytest":
        words[:1] = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    variables = os.environ | {"NUMBA_ENABLE_CUDASIM": "0"} | (environment or {})
    done = subprocess.run(words, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


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
def test_the_page_shows_what_is_printed(name, tmp_path):
    page = (DOCS / name).read_text()
    for kind, file, code in FENCE.findall(page):
        if kind == "python" and file:
            (tmp_path / file).write_text(code)
    token = ""
    for command, shown in transcripts(page):
        printed = run(command, tmp_path, token, PAGES[name])
        found = re.search(r"--replay (\S+)", printed)
        token = found[1] if found else token
        assert comparable(printed) == comparable(shown), command


def test_the_pages_own_test_passes(tmp_path):
    page = (DOCS / "checking-a-kernel.md").read_text()
    for kind, file, code in FENCE.findall(page):
        if kind == "python" and file:
            (tmp_path / file).write_text(code.replace("0 <= col < height", "0 <= col < width"))
    assert "1 passed" in run("pytest -q test_my_conv.py", tmp_path, "")
