"""Text from outside on its way to the terminal: nothing in it acts, ordinary text of any script stays as it is."""

import ast
import io
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from workbench.system import render
from workbench.system.progress import CompileNotices, work_bar
from workbench.system.terminal import one_line, print_line, print_text, visible

ROOT = Path(__file__).parents[3]

ATTACKS = (
    *("\x1b[31mred", "\x1b]0;title\x07", "\x1b[2J\x1b[H", "\x9b31m", "\x90payload\x9c", "a\rb", "a\bb", "\x00", "\x7f"),
    *("saved\nworkbench: all pass", "a\x0bb", "a\x85b", "a\u2028b", "\u202egpj.exe", "\u2066x", "\ufeff", "\udcfc"),
    *("[red]x[/red]", "[link=https://example.org]x[/link]", "[/]", ":warning:", "{task}", "%s", "{0}", "`x`", "|"),
    *("<script>alert(1)</script>", "'\"><img src=x onerror=alert(1)>", "</style>", "]]>", "&amp;", "$\\frac{1}{2}$"),
)
"""Texts that act on a terminal, on rich's markup, on a page, on a table or on a picture."""

nasty = st.one_of(
    st.sampled_from(ATTACKS),
    st.text(max_size=12),
    st.text(st.characters(categories=("Cc", "Cf", "Cs", "Zl", "Zp")), max_size=4),
    st.lists(st.sampled_from(ATTACKS), min_size=2, max_size=3).map("".join),
)


def acting(text, kept="\n\t"):
    """Return the characters of a text that are not seen but act."""
    return [
        each
        for each in text
        if each not in kept
        and each not in "\u200c\u200d"
        and unicodedata.category(each) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    ]


@given(nasty)
def test_nothing_in_a_text_acts(text):
    assert acting(visible(text)) == []
    assert visible(text).count("\n") == text.count("\n")
    assert acting(one_line(text), kept="") == []


@given(nasty)
def test_it_can_be_applied_twice(text):
    assert one_line(one_line(text)) == one_line(text)
    assert visible(visible(text)) == visible(text)
    assert one_line(visible(text)) == one_line(text)


@pytest.mark.parametrize(
    "text",
    [
        "Größe äöüß",
        "日本語の猫",
        "עברית",
        "العربية",
        "हिन्दी",
        "e\u0301",
        "µs ±",
        "👩\u200d💻",
        "a\u00a0b\u3000c",
        "\\x1b",
    ],
)
def test_ordinary_text_stays(text):
    assert one_line(text) == visible(text) == text


def test_escapes_are_those_of_python():
    assert one_line("\x1b[31m\n\t\x9b\u202e\udcfc") == r"\x1b[31m\n\t\x9b\u202e\udcfc"
    assert visible("a\n\tb\r") == "a\n\tb\\r"


@given(nasty, nasty)
def test_a_line_is_one_line(first, second):
    sys.stdout, before = io.StringIO(), sys.stdout
    try:
        print_line(first)
        print_line(second)
        printed = sys.stdout.getvalue()
    finally:
        sys.stdout = before
    assert printed == f"{one_line(first)}\n{one_line(second)}\n"
    assert printed.count("\n") == 2


@given(st.lists(st.tuples(nasty, nasty), min_size=1, max_size=4))
def test_a_row_of_a_table_is_one_line(rows):
    lines = render.table_lines(("name", "value"), rows, right=("value",))
    assert len(lines) == len(rows) + 1
    assert acting("".join(lines), kept="") == []


def test_columns_stand_below_each_other_where_characters_are_wide():
    lines = render.table_lines(("name", "value"), [("日本", 1), ("abcd", 22)], right=("value",))
    assert lines == ["name  value", "日本      1", "abcd     22"]


def cells_of(line):
    """Split a line of a Markdown table at the pipes that are not escaped."""
    cells, cell, escaped = [], "", False
    for each in line:
        if escaped or each not in "\\|":
            cell, escaped = cell + each, False
        elif each == "\\":
            escaped = True
        else:
            cells.append(cell)
            cell = ""
    return [*cells, cell]


@given(nasty, nasty)
def test_a_cell_of_a_markdown_table_stays_in_its_cell(first, second):
    head, rule, row = render.markdown_table(("a", "b_c"), [(first, second)]).split("\n")
    assert (head, rule) == ("| a | b_c |", "| --- | --- |")
    assert cells_of(row) == ["", f" {one_line(first)} ", f" {one_line(second)} ", ""]


@pytest.mark.parametrize("text", ["<b>x</b>", "[x](y)", "![x](y)", "`x`", "*x*", "_x_", "~~x~~", "&lt;", "\\"])
def test_markup_in_a_markdown_table_is_escaped(text):
    row = render.markdown_table(("a",), [(text,)]).split("\n")[-1]
    assert not any(row[place] in "<[`*~&" and row[place - 1] != "\\" for place in range(1, len(row)))
    assert render.markdown_table(("a",), [("max_pool2d, dx",)]).endswith("| max_pool2d, dx |")


class Screen(io.StringIO):
    """A terminal that keeps what is written to it."""

    def isatty(self):
        return True


@given(nasty)
def test_messages_and_progress_show_names_as_they_are(text):
    sys.stderr, before = Screen(), sys.stderr
    try:
        console = render.message_console()
        console.width = 500
        CompileNotices(console).tell(text, 1.0)
        with work_bar(console, 2) as bar:
            bar.show(text, 1)
        written = sys.stderr.getvalue()
    finally:
        sys.stderr = before
    plain = Text.from_ansi(written).plain
    assert f"compiled {one_line(text)} in 1.0 s" in plain
    assert one_line(text).strip() in plain.rpartition("compiled")[2]


def test_what_is_printed_during_progress_stays_on_standard_output(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", Screen())
    with work_bar(render.message_console(), 2):
        print_line("epoch 1")
    assert capsys.readouterr().out == "epoch 1\n"
    assert "epoch" not in sys.stderr.getvalue()


def test_warnings_and_tracebacks_are_shown_as_they_are():
    code = (
        "import warnings; from kernels.installation import InstallationWarning\n"
        "from workbench.system.terminal import set_up_streams; set_up_streams()\n"
        "warnings.warn('\\x1b[31mred', RuntimeWarning)\n"
        "warnings.warn('\\x1b[32m\\ngreen', InstallationWarning)\n"
        "raise ValueError('\\x1b]0;title\\x07')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert r"RuntimeWarning: \x1b[31mred" in done.stderr
    assert r"workbench: \x1b[32m\ngreen" in done.stderr.splitlines()
    assert done.stderr.splitlines()[-1] == r"ValueError: \x1b]0;title\x07"
    assert acting(done.stderr) == []


def test_an_encoding_that_lacks_characters_ends_nothing(run_python):
    code = (
        "from workbench.system.terminal import *; set_up_streams(); print_line('Größe ±'); print_text('日本', err=True)"
    )
    printed = run_python(code, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert printed == "Gr\\xf6\\xdfe \\xb1\n"


WAYS_OUT = {"print", "click.echo", "click.secho", "sys.stdout.write", "sys.stderr.write"}
DOORS = {ROOT / "workbench" / "system" / "terminal.py"}


def test_there_is_no_other_way_to_the_terminal():
    """Everything is printed by ``terminal``; consoles for messages are made by ``render`` alone."""
    found = []
    for file in (ROOT / "workbench").rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
        names = {ast.unparse(call.func) for call in calls}
        found += [(file.name, name) for name in names & WAYS_OUT if file not in DOORS]
        found += [(file.name, "Console") for name in names if name == "Console"]
        found += [
            (file.name, "TextColumn")
            for call in calls
            if ast.unparse(call.func) == "TextColumn"
            and "task.description" in ast.unparse(call)
            and "markup=False" not in ast.unparse(call)
        ]
    assert found == []


def test_several_lines_keep_their_breaks(capsys):
    print_text("a\n\tb\x1b")
    assert capsys.readouterr().out == "a\n\tb\\x1b\n"
