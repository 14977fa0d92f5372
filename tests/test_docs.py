"""The code in the documentation runs unchanged, and its commands print the output shown."""

import inspect
import os
import re
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from PIL import Image

from docs import draw_tour
from docs.draw_architecture import PICTURE, packages, picture
from docs.pages import FENCE, files, transcripts
from workbench.predicting import count_findings

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
MASKED = (
    (re.compile(r"--replay \S+"), "--replay TOKEN"),
    (re.compile(r"^cuda skipped: .*", flags=re.MULTILINE), "cuda skipped"),
)
"""Patterns of output that may differ between runs, and their replacements."""


AVX2 = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+bmi,+bmi2,+sse4.2,+popcnt,+lzcnt"}
"""The processor for which pages show machine code, on any machine."""

PAGES = {
    "checking-a-kernel.md": {},
    "adding-an-op.md": {},
    "simulating-cuda.md": {},
    "gpu-performance.md": {},
    "cuda-kernels.md": {},
    "inspecting-a-kernel.md": AVX2,
}
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


def comparable(text):
    """Return the lines of a text that are not blank, with tokens and reasons for an absent GPU replaced."""
    for pattern, word in MASKED:
        text = pattern.sub(word, text)
    lines = text.splitlines()
    return [line.rstrip() for line in lines if line.strip()]


PINNED = re.search(r"^hypothesis==(.*)$", (ROOT / "constraints.txt").read_text(), flags=re.MULTILINE)[1]


@pytest.mark.long
@pytest.mark.parametrize("name", PAGES)
def test_the_page_shows_what_is_printed(name, tmp_path, run):
    page = (DOCS / name).read_text()
    if ("$ workbench check" in page or "machine code for" in page) and version("hypothesis") != PINNED:
        pytest.skip(f"the page shows what the pinned versions print, such as cases that hypothesis {PINNED} draws")
    for file, code in files(page).items():
        (tmp_path / file).write_text(code)
    token = ""
    for command, shown in transcripts(page):
        printed = run(tmp_path, command, token, PAGES[name])
        found = re.search(r"--replay (\S+)", printed)
        token = found[1] if found else token
        assert comparable(printed) == comparable(shown), command


NUMBER = re.compile(r"(\d+\.\d+)(%?)")
TOUR_MASKED = (
    (re.compile(r"  \d+\.\d s \([\d,]+ samples/s\)$", flags=re.MULTILINE), "  ..."),
    (re.compile(r"on cpu, \d+ threads?"), "on cpu, N threads"),
    (re.compile(r" *[█-▏]+$", flags=re.MULTILINE), ""),
)
"""What is not the same everywhere: times, threads, and bars, the numbers beside which are compared."""


def assert_alike(printed, shown):
    """Check that two outputs are the same, but for what a training gives on another processor.

    Roundings differ there, and a training makes much of them: percentages may be 1 apart, losses double or half.
    """
    for pattern, word in TOUR_MASKED:
        printed, shown = pattern.sub(word, printed), pattern.sub(word, shown)
    assert comparable(NUMBER.sub("#", printed)) == comparable(NUMBER.sub("#", shown))
    for (found, sign), (wanted, _) in zip(NUMBER.findall(printed), NUMBER.findall(shown), strict=True):
        if sign:
            assert float(found) == pytest.approx(float(wanted), abs=1), shown
        else:
            assert float(wanted) / 2 <= float(found) <= 2 * float(wanted), shown


@pytest.mark.long
def test_the_tour_shows_what_is_printed_and_drawn(tmp_path, run):
    page = (DOCS / "tour.md").read_text()
    (tmp_path / draw_tour.PHOTOGRAPH).parent.mkdir(parents=True)
    (tmp_path / draw_tour.PHOTOGRAPH).write_bytes((ROOT / draw_tour.PHOTOGRAPH).read_bytes())
    for file, code in files(page).items():
        (tmp_path / file).write_text(code)
    commands = list(transcripts(page))
    for command, shown in commands:
        assert_alike(run(tmp_path, command), shown)
    pictures = draw_tour.PICTURE.findall(page)
    assert len(pictures) >= 8
    assert [name for name in pictures if not any(command.endswith(f"-o {name}") for command, _ in commands)] == []
    for name in pictures:
        with Image.open(tmp_path / name) as drawn, Image.open(DOCS / "images" / f"tour-{name}") as kept:
            assert drawn.size == kept.size, "python -m docs.draw_tour draws it again"


def test_an_output_that_is_not_alike_is_noticed():
    shown = "epoch 1/3  train loss 0.6175 accuracy 75.45%  ..."
    assert_alike("epoch 1/3  train loss 0.6211 accuracy 75.50%  1.5 s (5,307 samples/s)", shown)
    for printed in (shown.replace("0.61", "1.41"), shown.replace("75.", "77."), shown.replace("1/3", "1/4"), ""):
        with pytest.raises(AssertionError):
            assert_alike(printed, shown)


@pytest.mark.long
def test_the_worked_micro_kernel_is_right(tmp_path, run):
    page = (DOCS / "register-tiles.md").read_text()
    ((_, file, code),) = [fence for fence in FENCE.findall(page) if fence[0] == "python"]
    (tmp_path / file).write_text(code)
    rows = [line.split() for line in run(tmp_path, f"workbench check {file} --examples 8").splitlines()]
    assert [row[3:5] for row in rows if row[:2] == ["dense", "my_dense"]] == [["float32", "pass"], ["float64", "pass"]]


@pytest.mark.long
def test_the_pages_own_test_passes(tmp_path, run):
    page = (DOCS / "checking-a-kernel.md").read_text()
    for file, code in files(page).items():
        (tmp_path / file).write_text(code.replace("0 <= col < height", "0 <= col < width"))
    assert "1 passed" in run(tmp_path, "pytest -q test_my_conv.py")


def test_the_readme_s_code_runs(tmp_path, run):
    fences = [fence for fence in FENCE.findall((ROOT / "README.md").read_text()) if fence[0] == "python"]
    assert {bool(file) for _, file, _ in fences} == {True, False}
    for _, file, code in fences:
        (tmp_path / (file or "from_python.py")).write_text(code)
        command = f"workbench check {file} --examples 6" if file else "python from_python.py"
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


def test_the_page_on_gpu_performance_lists_all_findings():
    kinds = re.findall(r'kind="([a-z-]+)"', inspect.getsource(count_findings))
    listed = re.findall(r"^\| `([a-z-]+)` \|", (DOCS / "gpu-performance.md").read_text(), flags=re.MULTILINE)
    assert listed
    assert set(listed) == set(kinds)
    for limit in (count_findings.MANY_STEPS, count_findings.FEW_THREADS, count_findings.HOT):
        assert f"{limit:,}" in (DOCS / "gpu-performance.md").read_text()
