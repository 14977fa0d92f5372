"""The report of a benchmark: the HTML page, in a real browser where there is one, and the picture of the roofline."""

import itertools
import re
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from workbench.report import Point, check_picture, draw_roofline, theme, write_html
from workbench.report.drawing import TYPE
from workbench.report.label_placement import Box, Placement
from workbench.report.markup import element
from workbench.report.page import page
from workbench.report.roofline_layout import lay_out
from workbench.system.errors import InputError
from workbench.system.numbers import duration, moment, significant

PEAKS = {
    "threads": 2,
    "gflops": {"float32": 210.0, "float64": 105.0},
    "gflops_one_core": {"float32": 110.0, "float64": 55.0},
    "gbps": {"L1": 500.0, "L2": 200.0, "L3": 60.0, "DRAM": 20.0},
    "gbps_one_core": {"L1": 250.0, "L2": 100.0, "L3": 40.0, "DRAM": 15.0},
    "level_bytes": {"L1": 2**15, "L2": 2**20, "L3": 2**25, "DRAM": 2**28},
    "launch_ms": 0.01,
}

NUMBERS = {
    "median_ms": 0.5,
    "p20_ms": 0.49,
    "p80_ms": 0.52,
    "min_ms": 0.48,
    "ci_low_ms": 0.498,
    "ci_high_ms": 0.503,
    "ci_share": 0.006,
    "cold_ms": 0.8,
    "repeats": 400,
    "stopped": "interval",
    "compile_ms": 1500.0,
    "cache_load_ms": 20.0,
    "dispatch_us": 11.0,
    "copy_in_ms": None,
    "copy_out_ms": None,
    "gflops": 60.0,
    "gbps": 12.0,
    "flops_per_byte": 5.0,
    "share_of_peak": 0.4,
    "bound_by": "compute",
    "baseline": None,
    "ratio": None,
    "ratio_low": None,
    "ratio_high": None,
    "verdict": None,
}


def row(implementation="conv2d_cpu", case="lenet-c3", op="conv2d", *, slower=1.0, **given):
    """A row that takes ``slower`` times 0.5 ms."""
    scaled = {key: NUMBERS[key] * slower for key in NUMBERS if key.endswith("_ms") and NUMBERS[key] is not None}
    rates = {"gflops": 60 / slower, "gbps": 12 / slower, "share_of_peak": 0.4 / slower}
    samples = {"samples_ms": [0.5 * slower * (1 + place % 7 / 500) for place in range(200)]}
    names = {"op": op, "case": case, "device": "cpu", "dtype": "float32", "implementation": implementation}
    rest = {
        "version": "0.1",
        "verified": True,
        "status": "timed",
        "reason": "",
        "shapes": {"x": [64, 6, 14, 14]},
        "options": {},
    }
    return names | rest | NUMBERS | scaled | rates | samples | given


def against(verdict, ratio):
    return {
        "baseline": "conv2d_cpu",
        "verdict": verdict,
        "ratio": ratio,
        "ratio_low": ratio - 0.01,
        "ratio_high": 1.01 * ratio,
    }


def wrong(name):
    blank = dict.fromkeys(NUMBERS) | {"samples_ms": []}
    return row(name) | blank | {"verified": False, "status": "wrong", "reason": "y[0, 3] is 1.25, should be 1.5"}


def document(rows=None, **given):
    if rows is None:
        rows = [
            row(),
            row("torch", slower=0.6, **against("faster", 0.6)),
            row("onnxruntime", slower=1.002, **against("tie", 1.002)),
            row("slow", slower=30, **against("slower", 30.0)),
            wrong("broken"),
            row(case="resnet-3x3", slower=8, share_of_peak=1.2),
            *(
                row(f"{op}_cpu", op=op, slower=place)
                for place, op in enumerate(("relu", "dense", "conv2d_backward"), 1)
            ),
        ]
    machine = {
        "cpu": "A processor @ 2.70GHz",
        "cores": 2,
        "target": "znver4",
        "threads": 2,
        "platform": "Linux",
        "gpu": None,
    }
    control = {
        "case": "lenet-c3",
        "op": "conv2d",
        "implementation": "conv2d_cpu",
        "ratio": 1.002,
        "low": 0.995,
        "high": 1.01,
    }
    compared = {"op": "conv2d", "case": "lenet-c3", "implementation": "conv2d_cpu", "device": "cpu", "dtype": "float32"}
    return {
        "schema": 1,
        "command": "workbench bench conv2d --against torch,onnxruntime --threads 2 --html a-report-with-a-long-name.html",
        "when": "2026-11-22T10:00:00+00:00",
        "machine": machine | {"versions": {"python": "3.11.7", "numba": "0.68.1"}},
        "confidence": 0.99,
        "peaks": {"cpu": PEAKS},
        "controls": [control | {"noise": 0.01}],
        "rows": rows,
        "skipped": {"cuda": "no driver"},
        "compared": [compared | {"ratio": 1.2, "low": 1.15, "high": 1.25, "verdict": "slower"}],
    } | given


HOSTILE = "<script>document.title='broken in'</script><b>&amp;\"'" + "a_long_name" * 12


def renamed(value, key=""):
    """Put the hostile text in every place of a document that takes a text."""
    if isinstance(value, dict):
        return {HOSTILE if key == "skipped" else name: renamed(part, name) for name, part in value.items()}
    if isinstance(value, list):
        return [renamed(part, key) for part in value]
    return HOSTILE if isinstance(value, str) else value


DOCUMENTS = {
    "full": document(),
    "hostile": renamed(document()),
    "no rows": document([], peaks={}, controls=[], compared=None, skipped={}),
    "nothing right": document([wrong("broken")], compared=[]),
}


class Reader(HTMLParser):
    """The tags of a page and its text, the script's apart."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_page_needs_nothing_else(name):
    html = page(DOCUMENTS[name])
    assert not re.search(r"https?:|\ssrc=|url\(|@import|<link|<iframe|<img", html)
    assert "default-src 'none'" in html
    assert all(attributes["href"].startswith("#") for tag, attributes in Reader(html).tags if tag == "a")


def test_what_comes_from_the_document_is_escaped():
    reader = Reader(page(DOCUMENTS["hostile"]))
    assert [tag for tag, _ in reader.tags if tag in ("script", "b")] == ["script"]
    assert all("broken" not in name for _, attributes in reader.tags for name in attributes)
    assert element("p", "<&", title='"') == '<p title="&quot;">&lt;&amp;</p>'


def test_no_rows_and_no_limits_are_said():
    text = Reader(page(DOCUMENTS["no rows"])).text
    assert "the run has no rows" in text
    assert "were not measured" in text
    assert "noise floor is not known" in text


def test_verdicts_are_words():
    text = Reader(page(document())).text
    for sign, verdict in (
        ("✗", "wrong"),
        ("≈", "tie"),
        ("▲", "faster"),
        ("▼", "slower"),
        ("=", "baseline"),
        ("!", "invalid"),
    ):
        assert f"{sign} {verdict}" in text
    assert "broken on conv2d lenet-c3: y[0, 3] is 1.25, should be 1.5" in text


@settings(max_examples=20)
@given(st.sets(st.sampled_from(sorted(NUMBERS))), st.booleans())
def test_any_number_may_be_absent(keys, samples):
    changed = [entry | dict.fromkeys(keys) | ({} if samples else {"samples_ms": []}) for entry in document()["rows"]]
    html = page(document(changed))
    assert not re.search(r"\bNone\b|\bnan\b", Reader(html).text)


@settings(max_examples=20)
@given(st.lists(st.floats(1e-4, 1e4), min_size=1, max_size=20), st.lists(st.floats(1e-4, 1e4), min_size=1, max_size=20))
def test_any_samples_are_drawn_inside_their_strip(first, second):
    html = page(document([row(samples_ms=first), row("other", samples_ms=second)]))
    paths = [attributes["d"] for tag, attributes in Reader(html).tags if attributes.get("class") == "dots"]
    assert [path.count("M") for path in paths] == [len(first), len(second)]
    assert all(0 <= float(x) <= 1000 for path in paths for x in re.findall(r"M(-?\d+) ", path))


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        write_html(document(), tmp_path / "absent" / "report.html")


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (None, "–"),  # noqa: RUF001
        (0.0, "0"),
        (0.00042, "420 ns"),
        (0.0123, "12.3 µs"),
        (0.99999, "1.00 ms"),
        (21.49, "21.5 ms"),
        (999.7, "1.00 s"),
        (3.6e6, "3,600 s"),
    ],
)
def test_times_have_the_unit_that_fits(milliseconds, text):
    assert duration(milliseconds) == text


@given(st.floats(1e-9, 1e9))
def test_three_digits_are_within_half_a_percent(value):
    assert float(significant(value).replace(",", "")) == pytest.approx(value, rel=0.0051)


def test_a_moment_is_written_out():
    assert moment("2026-11-22T10:05:00+00:00") == "22 November 2026, 10:05 UTC"
    assert moment("yesterday") == "yesterday"


def contrast(one, other):
    """The contrast of two colours as WCAG 2.2 defines it."""

    def luminance(colour):
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("colours", [theme.LIGHT, theme.DARK], ids=["light", "dark"])
def test_colours_stand_out(colours):
    assert theme.LIGHT.keys() == theme.DARK.keys()
    for back in ("paper", "raised"):
        for name in colours.keys() - {"paper", "raised", "hairline"}:
            assert contrast(colours[name], colours[back]) >= 4.5, (name, back)


coordinates = st.floats(0.01, 500)
points = st.lists(
    st.builds(
        Point,
        name=st.sampled_from(["lenet-c1", "lenet-c3", "resnet-3x3", "a case with a name so long that it is cut"]),
        op=st.sampled_from(["conv2d", "conv2d_backward", "relu", "dense"]),
        flops_per_byte=coordinates,
        gflops=coordinates,
        dtype=st.sampled_from(["float32", "float64"]),
    ),
    max_size=25,
)


@settings(max_examples=40)
@given(points, st.sampled_from([(960, 560), (350, 400)]))
def test_names_at_points_stay_in_the_picture_and_off_each_other(points, size):
    drawing = lay_out(PEAKS, points, width=size[0], height=size[1], title="")
    sheet = Placement(Box(0, 0, drawing.width, drawing.height))
    boxes = [sheet.box(label) for label in drawing.labels if label.size == TYPE - 1]
    assert sheet.is_free(boxes)
    for one, other in itertools.combinations(boxes, 2):
        assert not one.overlaps(other)
    for mark in drawing.marks:
        assert Box.around(mark.at, 0).inside(sheet.frame)


def test_the_fastest_of_a_case_bears_its_name():
    pair = [Point(name="c", op="dense", flops_per_byte=5, gflops=rate, dtype="float32") for rate in (90, 9)]
    drawing = lay_out(PEAKS, pair, width=960, height=560, title="")
    (label,) = [label for label in drawing.labels if label.text == "c"]
    assert abs(label.at[1] - drawing.marks[0].at[1]) < 20
    assert drawing.marks[0].at[1] < drawing.marks[1].at[1]


@pytest.mark.parametrize("peaks", [{}, {"gbps": {"DRAM": 20.0}}, {"gflops": {"float32": 9.0}, "gbps": None}])
@pytest.mark.parametrize("count", [0, 1])
def test_limits_may_be_absent(peaks, count):
    one = Point(name="a", op="relu", flops_per_byte=0.125, gflops=1.0, dtype="float32")
    assert len(lay_out(peaks, [one] * count, width=960, height=560, title="t").marks) == 2 * count


POINT = Point(name="$<&", op="relu", flops_per_byte=0.1, gflops=2.0, dtype="float64")


def test_the_png_has_twice_the_pixels(tmp_path):
    pytest.importorskip("matplotlib", reason="a PNG is drawn by matplotlib")
    draw_roofline(PEAKS, [POINT], tmp_path / "a.png", title="Limits of 机 $ <&")
    with Image.open(tmp_path / "a.png") as image:
        assert image.width == 2 * 960
        assert len(image.convert("RGB").getcolors(1 << 24)) > 20


def test_the_svg_is_well_formed_and_needs_no_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    draw_roofline(PEAKS, [POINT], tmp_path / "a.SVG", title="Limits <&")
    root = ElementTree.parse(tmp_path / "a.SVG").getroot()
    texts = ["".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"Limits <&", "$<&", "DRAM 20.0 GB/s", "float64 105 GFLOP/s", "relu"} <= set(texts)
    with pytest.raises(InputError, match=r"needs matplotlib; .* -m pip install 'matplotlib>="):
        draw_roofline(PEAKS, [POINT], tmp_path / "a.png", title="")
    assert [path.name for path in tmp_path.iterdir()] == ["a.SVG"]


def test_another_suffix_is_refused(tmp_path):
    for refuse in (check_picture, lambda path: draw_roofline(PEAKS, [POINT], path, title="")):
        with pytest.raises(InputError, match=r"\.png or \.svg"):
            refuse(tmp_path / "a.pdf")


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    for name, content in DOCUMENTS.items():
        write_html(content, folder / f"{name}.html")
    return {name: folder / f"{name}.html" for name in DOCUMENTS}


@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_page_never_scrolls_sideways(browser, pages, name, width):
    browser.open(pages[name].as_uri(), width=width)
    assert browser.run("innerWidth") == width
    assert browser.run("document.documentElement.scrollWidth") == width
    outside = """[...document.querySelectorAll("body *")].filter(node => !node.closest(".scroll, pre, .unseen, svg")
        && node.getBoundingClientRect().right > innerWidth + 0.5).map(node => node.outerHTML.slice(0, 80))"""
    assert browser.run(outside) == []
    requests = [event for event in browser.events if event.get("method") == "Network.requestWillBeSent"]
    assert [event["params"]["request"]["url"] for event in requests] == [pages[name].as_uri()]


def test_wide_tables_scroll_in_their_own_box(browser, pages):
    browser.open(pages["full"].as_uri(), width=390)
    assert browser.run("[...document.querySelectorAll('.scroll')].some(box => box.scrollWidth > box.clientWidth)")
    browser.run("document.querySelector('#op-conv2d ~ .scroll').scrollLeft = 200")
    name = "document.querySelector('#op-conv2d ~ .scroll tbody .sticky').getBoundingClientRect().left"
    assert 0 <= browser.run(name) < 30


def test_the_page_runs_no_script_of_a_document(browser, pages):
    browser.open(pages["hostile"].as_uri())
    assert browser.run("document.title").startswith("Benchmark: <script>")
    assert browser.run("document.querySelector('tbody .name').textContent") == HOSTILE


SORTED = """(() => {
  const faults = [];
  for (const table of document.querySelectorAll("table.sorts")) {
    const headings = [...table.tHead.rows[0].cells];
    headings.forEach((heading, column) => {
      for (const order of ["ascending", "descending"]) {
        heading.querySelector("button").click();
        const all = [...table.tBodies[0].rows].map(row => row.cells[column].dataset.value);
        const there = all.filter(value => value !== undefined);
        const numeric = heading.classList.contains("number");
        const right = there.slice(1).every((value, place) => {
          const before = there[place];
          const step = numeric ? value - before : value.localeCompare(before, "en", { numeric: true });
          return order === "ascending" ? step >= 0 : step <= 0;
        });
        const marked = headings.filter(other => other.hasAttribute("aria-sort"));
        if (!right || all.slice(0, there.length).includes(undefined) || marked.length !== 1
            || heading.getAttribute("aria-sort") !== order) faults.push([table.caption.textContent, column, order, all]);
      }
    });
  }
  return faults;
})()"""


def test_every_column_sorts_both_ways(browser, pages):
    browser.open(pages["full"].as_uri())
    assert browser.run("document.querySelectorAll('table.sorts thead button').length") > 30
    assert browser.run(SORTED) == []


@pytest.mark.parametrize(("key", "code", "text"), [("Enter", 13, "\r"), (" ", 32, " ")])
def test_columns_sort_by_keyboard(browser, pages, key, code, text):
    browser.open(pages["full"].as_uri())
    table = "document.querySelector('#op-conv2d ~ .scroll table')"
    browser.run(f"{table}.tHead.rows[0].cells[2].querySelector('button').focus()")
    browser.press(key, code, text)
    assert browser.run(f"{table}.querySelector('[aria-sort=ascending]').innerText.trim()").startswith("Median")
    names = browser.run(f"[...{table}.tBodies[0].rows].map(row => row.querySelector('.name').textContent)")
    assert names == ["torch", "conv2d_cpu", "onnxruntime", "conv2d_cpu", "slow", "broken"]


def test_numbers_are_set_in_figures_of_one_width_to_the_right(browser, pages):
    browser.open(pages["full"].as_uri())
    style = "getComputedStyle(document.querySelector('tbody td.number'))"
    assert browser.run(f"{style}.textAlign") == "right"
    assert "tabular-nums" in browser.run(f"{style}.fontVariantNumeric")


def test_the_theme_follows_the_reader(browser, pages):
    script = """[["body", "backgroundColor"], ["body", "color"], ["td", "backgroundColor"], [".roofline text", "fill"],
        [".roofline line", "stroke"], [".roofline path", "fill"], [".dots", "stroke"], [".tag.bad", "color"]]
        .map(([where, what]) => getComputedStyle(document.querySelector(where))[what])"""
    browser.open(pages["full"].as_uri())
    light = browser.run(script)
    browser.open(pages["full"].as_uri(), dark=True)
    dark = browser.run(script)
    assert light[0] == "rgb(255, 255, 255)"
    assert all(one != other for one, other in zip(light, dark, strict=True))


@pytest.mark.parametrize(("width", "shown"), [(390, "narrow"), (1280, "wide")])
def test_the_roofline_that_fits_is_shown_with_legible_type(browser, pages, width, shown):
    browser.open(pages["full"].as_uri(), width=width)
    sizes = browser.run(
        "[...document.querySelectorAll('.roofline')].filter(box => box.offsetWidth)"
        ".map(box => [box.className, box.querySelector('svg').getScreenCTM().a * 11])"
    )
    ((name, size),) = sizes
    assert name == f"roofline {shown}"
    assert size >= 10
