"""The page in a real browser: it is drawn on by mouse, finger and keys, and read."""

import json
from itertools import pairwise

import numpy as np
import pytest

from tests.browser import Browser

SEVEN = ((0.28, 0.25), (0.72, 0.25), (0.62, 0.45), (0.5, 0.62), (0.42, 0.8))
"""The points of a seven, as shares of the drawing's side."""

READY = "'ready' in document.documentElement.dataset"
NOTHING = "\N{EN DASH}"
ARROWS = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}


def text(browser, name):
    return browser.run(f"document.getElementById('{name}').textContent")


def box_of(browser, name):
    scroll = f"document.getElementById('{name}').scrollIntoView({{block: 'center'}})"
    browser.run(scroll)
    return browser.run(
        f"(box => [box.left, box.top, box.width])(document.getElementById('{name}').getBoundingClientRect())"
    )


def draw(browser, points=SEVEN, steps=6):
    left, top, side = box_of(browser, "pad")
    path = [(left + side * x, top + side * y) for x, y in points]
    browser.mouse("mousePressed", *path[0])
    for (x, y), (to_x, to_y) in pairwise(path):
        for step in range(1, steps + 1):
            browser.mouse("mouseMoved", x + (to_x - x) * step / steps, y + (to_y - y) * step / steps)
    browser.mouse("mouseReleased", *path[-1])


def see_seven(browser, page, **window):
    browser.open(page.address, **window)
    browser.wait(READY)
    draw(browser)
    browser.wait("document.getElementById('class').textContent === '7'")


def hover(browser, stage, row, column, cell, edge=3):
    left, top, _ = box_of(browser, f"stage-{stage}")
    browser.mouse("mouseMoved", left + edge + (column + 0.5) * cell, top + edge + (row + 0.5) * cell, button="none")


def values(browser, *selectors):
    """Return the exact numbers of cells, which are their titles; all are read at once, as the page may be redrawn."""
    read = "each => [...document.querySelectorAll(each)].map(cell => cell.title)"
    return [[float(each) for each in cells] for cells in browser.run(f"{json.dumps(selectors)}.map({read})")]


def test_a_seven_drawn_by_mouse_is_a_seven(browser: Browser, digits_page):
    see_seven(browser, digits_page, width=1440)
    assert text(browser, "share").endswith("%")
    assert browser.run("document.querySelector('#bars .best .name').textContent") == "7"
    shares = browser.run("[...document.querySelectorAll('#bars .number')].map(each => parseFloat(each.textContent))")
    assert (len(shares), max(shares)) == (10, shares[7])
    assert sum(shares) == pytest.approx(100, abs=0.6)
    assert "ms there and back" in text(browser, "speed")
    browser.run("document.getElementById('clear').click()")
    assert text(browser, "class") == NOTHING
    assert text(browser, "message") == ""
    # it asks nobody else
    requests = [
        each["params"]["request"]["url"] for each in browser.events if each.get("method") == "Network.requestWillBeSent"
    ]
    assert requests
    assert all(each.startswith(digits_page.address) for each in requests)


def test_a_pixel_under_the_mouse_shows_numbers_that_make_its_value(browser: Browser, digits_page, digits):
    see_seven(browser, digits_page, width=1440)
    hover(browser, 1, row=12, column=15, cell=3)
    browser.wait("document.getElementById('place').textContent.includes('map 0, row 12, column 15')")
    window, weights, products, (total, bias, added, value) = values(
        browser,
        *(f"table[data-name='{name}'] td" for name in ("window", "\N{MULTIPLICATION SIGN} filter", "products")),
        "#working .sum td",
    )
    assert np.array_equal(np.float32(weights), digits.parameters.tensors["0.weight"][0].ravel())
    assert products == [x * w for x, w in zip(window, weights, strict=True)]
    assert total == pytest.approx(sum(products), abs=1e-12)
    assert bias == digits.parameters.tensors["0.bias"][0]
    assert added == pytest.approx(total + bias, abs=1e-12)
    assert abs(added - value) <= 26 * 2.0**-24 * (sum(map(abs, products)) + abs(bias))
    assert browser.run("document.querySelector('#stages section:nth-child(2) output').textContent").startswith(
        "map 0, row 12"
    )


def test_keys_draw_and_choose(browser: Browser, digits_page):
    browser.open(digits_page.address, width=1440)
    browser.wait(READY)
    browser.run("document.getElementById('pad').focus({focusVisible: true})")
    for key in [
        *["ArrowUp"] * 10,
        *["ArrowLeft"] * 9,
        " ",
        *["ArrowRight"] * 18,
        *["ArrowDown", "ArrowDown", "ArrowLeft"] * 9,
        " ",
    ]:
        browser.press(key, ARROWS.get(key, 32), key.strip("ArowLeftUpRighDn") and " ")
    browser.wait("document.getElementById('class').textContent === '7'")
    assert text(browser, "spoken") == "Pen up"
    # Tab reaches every control; what has the focus is outlined
    browser.press("Tab", 9)
    reached = []
    for _ in range(40):
        name = browser.run("document.activeElement.id")
        if name in reached or not name:
            break
        reached.append(name)
        outlined = browser.run("getComputedStyle(document.activeElement).outlineStyle !== 'none'")
        assert outlined, name
        browser.press("Tab", 9)
    stages = [f"stage-{number}" for number in range(13)]
    assert reached[:15] == ["clear", "open", *stages]
    assert {"layer", "channel", "back", "play", "forward"} <= set(reached)
    # arrows go from value to value, Page Down to the next map
    browser.run("document.getElementById('stage-4').focus({focusVisible: true})")
    for key, code in (("ArrowRight", 39), ("ArrowDown", 40), ("ArrowDown", 40), ("PageDown", 34)):
        browser.press(key, code)
        browser.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert text(browser, "place") == "4 · conv 16 5x5: map 1, row 2, column 1"
    assert text(browser, "spoken").startswith("map 1, row 2, column 1: ")
    browser.run("document.getElementById('pad').focus()")
    browser.press("Delete", 46)
    assert text(browser, "class") == NOTHING


def test_sliders_and_steps(browser: Browser, digits_page):
    see_seven(browser, digits_page, width=1440)

    def slide(name, value):
        change = f"range.value = {value}; range.dispatchEvent(new Event('input'))"
        browser.run(f"(range => {{ {change} }})(document.getElementById('{name}'))")
        browser.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    slide("layer", 4)
    slide("channel", 9)
    assert text(browser, "place").startswith("4 · conv 16 5x5: map 9, ")
    assert text(browser, "source-name").endswith(", the strongest")
    slide("source", 2)
    assert text(browser, "source-name") == "2"
    assert browser.run("document.querySelector('#working caption').textContent") == "window of map 2"
    slide("layer", 12)
    assert text(browser, "channel-word") == "Unit"
    assert "score of " in text(browser, "place")

    slide("layer", 1)
    hover(browser, 1, row=0, column=0, cell=3)
    browser.wait("document.getElementById('place').textContent.endsWith('row 0, column 0')")
    browser.run("document.getElementById('forward').click()")
    browser.wait("document.getElementById('place').textContent.endsWith('row 0, column 1')")
    browser.run("document.getElementById('back').click()")
    browser.wait("document.getElementById('place').textContent.endsWith('row 0, column 0')")
    browser.run("document.getElementById('play').click()")
    assert "Pause" in text(browser, "play")
    browser.wait("document.getElementById('place').textContent.endsWith('row 0, column 3')")
    browser.run("document.getElementById('play').click()")
    assert "Play" in text(browser, "play")


@pytest.mark.parametrize(("width", "dark"), [(320, False), (390, True), (800, False), (1440, True)])
def test_the_page_never_scrolls_sideways_and_everything_has_a_name(browser: Browser, digits_page, width, dark):
    see_seven(browser, digits_page, width=width, height=844, dark=dark)
    assert browser.run("document.documentElement.scrollWidth") == width
    unnamed = """[...document.querySelectorAll("button, input:not([hidden]), canvas")].filter(
        node => !(node.textContent.trim() || node.getAttribute("aria-label") || node.getAttribute("aria-labelledby")
        || node.labels?.length)).map(node => node.id)"""
    assert browser.run(unnamed) == []
    paper, ink = browser.run(
        "['background-color', 'color'].map(name => getComputedStyle(document.body).getPropertyValue(name))"
    )
    assert (paper == "rgb(20, 23, 28)") == dark
    assert paper != ink
    assert browser.run(
        "(box => box.left >= 0 && box.right <= innerWidth)(document.getElementById('pad').getBoundingClientRect())"
    )
    assert browser.run("[...document.querySelectorAll('.stage canvas')].every(canvas => canvas.height > 0)")


def test_a_finger_draws_without_scrolling(browser: Browser, digits_page):
    browser.open(digits_page.address, width=390, height=844)
    browser.wait(READY)
    left, top, side = box_of(browser, "pad")
    before = browser.run("scrollY")
    points = [{"x": left + side * x, "y": top + side * y} for x, y in SEVEN]
    browser.call("Emulation.setTouchEmulationEnabled", enabled=True)
    browser.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=points[:1])
    for point in points[1:]:
        browser.call("Input.dispatchTouchEvent", type="touchMove", touchPoints=[point])
    browser.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    browser.call("Emulation.setTouchEmulationEnabled", enabled=False)
    browser.wait("document.getElementById('class').textContent === '7'")
    assert browser.run("scrollY") == before


def test_a_dropped_picture_and_one_that_is_none(browser: Browser, digits_page):
    browser.open(digits_page.address, width=1440)
    browser.wait(READY)
    drop = """(content => {{ const data = new DataTransfer(); data.items.add(new File([content], "a.png"));
        const options = {{dataTransfer: data, bubbles: true, cancelable: true}};
        document.body.dispatchEvent(new DragEvent("drop", options)) }})({})"""
    picture = """await (async () => { const canvas = new OffscreenCanvas(200, 200), pen = canvas.getContext("2d");
        pen.fillStyle = "#fff"; pen.fillRect(0, 0, 200, 200); pen.lineWidth = 14;
        pen.moveTo(60, 50); pen.lineTo(140, 50); pen.lineTo(90, 160); pen.stroke(); return canvas.convertToBlob() })()"""
    browser.run(f"(async () => {drop.format(picture)})()")
    browser.wait("document.getElementById('class').textContent === '7'")
    browser.run(drop.format("'no picture'"))
    browser.wait("document.getElementById('message').textContent.startsWith('the picture: not a picture')")


def test_reduced_motion_steps_slowly(browser: Browser, digits_page):
    see_seven(browser, digits_page, width=1440, reduced=True)
    delay = browser.run(
        """(() => { const set = setInterval, play = document.getElementById("play"); let delay;
        window.setInterval = (run, each) => { delay = each; return set(run, each) };
        play.click(); play.click(); window.setInterval = set; return delay })()"""
    )
    assert delay == 1000


def test_every_kind_of_layer_is_explained_by_numbers_that_add_up(browser: Browser, odd_page, odd):
    browser.open(odd_page.address, width=1440)
    browser.wait(READY)
    assert browser.run("document.querySelector('#bars li:last-child .name').textContent") == "<b>up</b>"  # as text
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (20, 20), dtype=np.uint8)
    explained = browser.run(
        f"""(async () => {{
        const names = ["server", "stages", "explain"];
        const [server, stages, explaining] = await Promise.all(names.map(name => import(`/${{name}}.js`)));
        const all = stages.stagesOf(await server.readNetwork()), pixels = Uint8Array.from({pixels.ravel().tolist()});
        const seen = await new Promise((done, fail) => new server.Newest(done, fail).drawing(20, 20, pixels));
        const sight = stages.scaled(seen);
        return all.slice(1).flatMap(stage => Array.from(sight.values[stage.index].keys(), index => {{
          const {{ sum }} = explaining.explain(stage, sight, stages.placeAt(stage, index), null);
          return [stage.text, sum.at(-2).value, sum.at(-1).value];
        }}));
        }})()"""
    )
    assert len(explained) == sum(int(np.prod(shape)) for shape in odd.network.shapes[1:])
    assert {name for name, _, _ in explained} == {layer.text for layer in odd.network.layers}
    made, found = (np.array([each[index] for each in explained]) for index in (1, 2))
    assert np.abs(made).max() > 0.1
    np.testing.assert_allclose(made, found, rtol=0, atol=64 * 2.0**-24 * 16)
