"""Names and messages made by strangers reach the terminal and the report without acting there, through every command."""

import io
import json
import os
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from PIL import Image

from tests.workbench.system.test_terminal import ATTACKS, acting, nasty
from workbench.cli import run
from workbench.report import Point, draw_roofline, write_html
from workbench.report.drawing import to_svg
from workbench.report.roofline_layout import lay_out

ROOT = Path(__file__).parents[3]

NAMES = tuple(each for each in ATTACKS if not set(each) & {"\0", "/"})
"""The attacks that can be names of files."""

CLASSES = ("\x1b[31mred\x1b]0;title\x07", "saved\nworkbench: 9 pass", "[bold]\u202eb", "Größe 猫 <b>&amp;")
"""Names of folders, and so of classes."""


def called(*arguments):
    """Run the command line in this process; return exit code, standard output and standard error."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        code = run([str(argument) for argument in arguments])
    return code, out.getvalue(), err.getvalue()


def assert_harmless(*printed):
    for text in printed:
        assert acting(text, kept="\n") == []


TEMPLATES = (
    *("check noNAME", "check NAME.py", "check relu --op NAME", "check --replay NAME", "check --device NAME", "NAME"),
    *("bench relu --case noNAME", "bench NAME.py:NAME", "bench relu --against NAME", "bench relu --compare NAME"),
    *("bench relu --batch NAMEx", "bench relu --html no/such/NAME", "roofline --case noNAME", "roofline --out NAMEx"),
    *("train --model NAME", "train --data noNAME", "train --image-size NAMEx", "train --kernels NAME.py", "ops --NAME"),
    *(
        "eval noNAME",
        "predict noNAME x.png",
        "filter noNAME",
        "inspect noNAME",
        "inspect relu --device cuda --cc NAMEx",
    ),
)
"""Command lines that are misuse whatever NAME is."""


@pytest.mark.parametrize("template", TEMPLATES)
@settings(max_examples=20)
@given(name=nasty)
def test_an_error_is_one_line_in_which_nothing_acts(template, name):
    name = re.sub("[\0\ud800-\udc7f\udd00-\udfff]", "", name)  # no command line contains these
    code, out, err = called(*(word.replace("NAME", name) for word in template.split()))
    if code == 2:
        assert len(err.splitlines()) == 1 or err.startswith("Usage: ")
    assert_harmless(out, err)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a network for classes with such names, its pictures, and what train printed."""
    folder = tmp_path_factory.mktemp("nasty")
    rng = np.random.default_rng(0)
    for number, name in enumerate(CLASSES):
        (folder / "pictures" / name).mkdir(parents=True)
        for count in range(10):
            pixels = rng.integers(60 * number, 60 * number + 20, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "pictures" / name / f"{count}\x1b[2J.png")
    settings = ("--model", "dense 4", "--epochs", "2", "--batch-size", "4", "--out", folder / "run\x1b[2J")
    return folder / "run\x1b[2J", folder / "pictures", called("train", "--data", folder / "pictures", *settings)


def test_training_prints_names_as_they_are(trained):
    run_folder, _, (code, out, err) = trained
    assert code in (0, 1), err
    assert_harmless(out, err)
    assert json.loads((run_folder / "run.json").read_text(encoding="utf-8"))["config"]["classes"] == sorted(CLASSES)


def test_classes_and_pictures_are_printed_as_they_are(trained):
    run_folder, pictures, _ = trained
    picture = next((pictures / CLASSES[1]).iterdir())
    for arguments in (
        ["eval", run_folder],
        ["predict", run_folder, picture],
        ["predict", run_folder, picture, picture],
    ):
        code, out, err = called(*arguments)
        assert code == 0, err
        assert_harmless(out, err)
    _, out, _ = called("eval", run_folder)
    assert "Größe 猫 <b>&amp;" in out
    assert r"saved\nworkbench: 9 pass" in out
    assert not any(line.startswith("workbench: 9 pass") for line in out.splitlines())


@pytest.mark.parametrize("place", ["classes/\udcfc", "\udcfc/classes"])
def test_names_that_no_record_can_hold_are_refused_before_training(place, tmp_path):
    for name in (place, "classes/other"):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / name / "0.png")
    data = tmp_path / place.partition("/")[0]
    code, out, err = called("train", "--data", data, "--model", "dense 2", "--out", tmp_path / "run")
    assert (code, out) == (2, "")
    assert r"\udcfc" in err
    assert err.endswith("the name is not UTF-8; rename it\n")
    assert not (tmp_path / "run").exists()


KERNELS = r"""
from numba import njit
from workbench import implements


@implements("relu")
def first(x, y):
    print("\x1b[2J\x9b31m")
    raise ValueError("\x1b]0;title\x07\n[bold]all pass[/bold]\u202e")


def second(x, y):
    y[...] = x


second.__name__ = "\x1b[31m[red]\nall pass"
implements("relu")(second)
"""


def test_a_user_s_kernels_are_named_as_they_are(tmp_path, monkeypatch, warm_children):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "a\x1b[31m\nb[red].py"
    file.write_text(KERNELS)
    for arguments in (["check", file, "--examples", "5"], ["inspect", file]):
        code, out, err = called(*arguments)
        assert code in (1, 2), err
        assert_harmless(out, err)
        assert "all pass" not in [line.strip() for line in (out + err).splitlines()]


class Page(HTMLParser):
    """The elements and attributes of a page."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, tuple(sorted(name for name, _ in attrs))))


def document(name):
    """A report in which every text is this name."""
    numbers = {"median_ms": 1.0, "gflops": 2.0, "gbps": 3.0, "flops_per_byte": 0.5, "samples_ms": [1.0, 1.1]}
    row = {"op": name, "case": name, "device": name, "dtype": name, "implementation": f"x{name}", "version": name}
    rest = {
        "verified": True,
        "reason": name,
        "verdict": "tie",
        "baseline": name,
        "bound_by": name,
        "share_of_peak": 0.5,
    }
    wrong = row | {"verified": False, "implementation": "y"}
    peaks = {name: {"gflops": {name: 10.0}, "gbps": {name: 5.0}, "threads": 2}}
    machine = {"cpu": name, "target": name, "platform": name, "gpu": name, "versions": {name: name}}
    control = row | {"noise": 0.1, "ratio": 1.0, "low": 0.9, "high": 1.1}
    return {
        "command": name,
        "when": name,
        "machine": machine,
        "skipped": {name: name},
        "controls": [control, control],
        "compared": [row | {"verdict": "same", "ratio": 1.0, "low": 0.9, "high": 1.1}],
        "peaks": peaks,
        "rows": [row | rest | numbers, wrong | {"reason": name}],
    }


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Writes the report in which every text is a name; returns it and its elements, without places to break a line."""
    file = tmp_path_factory.mktemp("page") / "page.html"

    @cache
    def write(name):
        write_html(document(name), file)
        page = file.read_text(encoding="utf-8")
        return page, [each for each in Page(page).found if each[0] != "wbr"]

    return write


@settings(max_examples=100)
@given(name=nasty)
def test_the_report_has_no_element_from_a_name(name, written):
    page, elements = written(name)
    _, expected = written("x")
    assert acting(page) == []
    if name not in ("", "none"):
        assert sorted(set(elements)) == sorted(set(expected))
    assert len(re.findall(r"<script", page)) == 1


LIMITS = {"gflops": {"float32": 10.0}, "gbps": {"DRAM": 5.0}}


def point(name):
    """A kernel on the roofline in which every text is this name."""
    return Point(name=name, op=name, flops_per_byte=1.0, gflops=2.0, dtype=name, implementation=name)


@settings(max_examples=50)
@given(name=nasty)
def test_a_picture_is_well_formed_whatever_the_names(name):
    drawing = lay_out(LIMITS, [point(name)], width=600, height=400, title=name)
    written = to_svg(drawing, alone=True)
    tags, expected = (
        {node.tag for node in ElementTree.fromstring(text).iter()}
        for text in (written, to_svg(lay_out(LIMITS, [point("x")], width=600, height=400, title="x"), alone=True))
    )
    assert acting(written) == []
    assert tags <= expected


def test_a_picture_of_pixels_takes_any_name(tmp_path):
    points = [point(name) for name in ATTACKS]
    draw_roofline(LIMITS, points, tmp_path / "a.png", title="".join(ATTACKS))
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.format == "PNG"


ASCII = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


COMMAND = "from workbench.cli import main; main()"
LIMITED = f"from tests.workbench.benching.limits import fix; fix(); {COMMAND}"
"""The command line with the machine's limits known."""


@pytest.mark.long
def test_an_ascii_locale_ends_no_command(tmp_path, trained):
    run_folder, pictures, _ = trained
    picture = next((pictures / CLASSES[3]).iterdir())
    commands = (
        ["info"],
        ["ops"],
        ["eval", run_folder],
        ["predict", run_folder, picture],
        ["bench", "relu", "--case", "relu-4k", "--budget", "0.01", "--html", "größe.html", "--json", "größe.json"],
        ["filter", picture, "-o", "größe.png", "--filter", "edge-detect"],
    )
    for command in commands:
        code = LIMITED if command[0] == "bench" else COMMAND
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, command)],
            cwd=tmp_path,
            env=os.environ | ASCII | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, (command, done.stderr)
        assert b"Traceback" not in done.stderr
        assert done.stdout.isascii()
