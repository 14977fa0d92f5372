"""``python -m benchmarks.demo_round_trip DIR``: how long the page of ``workbench demo DIR`` waits for what a stroke changes.

A seven is drawn in headless Chromium, in many small movements. The page measures each answer: from the drawing as
pixels to the values of all layers as arrays, by way of the server. With ``--screenshots FOLDER`` the page is photographed.
"""

from __future__ import annotations

import base64
import re
import statistics
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import click

from tests.browser import Browser, chromium
from workbench.system import machine

SEVEN = ((0.28, 0.25), (0.72, 0.25), (0.62, 0.45), (0.5, 0.62), (0.42, 0.8))
"""The points of a seven, as shares of the drawing's side."""

STEPS = 25
"""Movements of the mouse from point to point."""

WINDOWS = {
    "readme": (1440, 1320, False),
    "light": (1440, 900, False),
    "dark": (1440, 900, True),
    "phone": (390, 844, False),
}

KEEP = """
window.told = [];
new MutationObserver(() => window.told.push(document.getElementById("speed").textContent))
  .observe(document.getElementById("speed"), {childList: true});
"""


def draw(browser: Browser) -> None:
    """Draw a seven by mouse, a movement a frame."""
    left, top, side = browser.run(
        "(box => [box.left, box.top, box.width])(document.getElementById('pad').getBoundingClientRect())"
    )
    path = [(left + side * x, top + side * y) for x, y in SEVEN]
    browser.mouse("mousePressed", *path[0])
    for (x, y), (to_x, to_y) in pairwise(path):
        for step in range(1, STEPS + 1):
            browser.mouse("mouseMoved", x + (to_x - x) * step / STEPS, y + (to_y - y) * step / STEPS)
            browser.run("new Promise(requestAnimationFrame)")
    browser.mouse("mouseReleased", *path[-1])
    browser.wait("document.getElementById('class').textContent === '7'")


def photograph(browser: Browser, address: str, folder: Path) -> None:
    """Write a picture of the page in every window: with a seven, and the mouse over a pixel of the first layer."""
    for name, (width, height, dark) in WINDOWS.items():
        browser.open(address, width=width, height=height, dark=dark)
        browser.wait("'ready' in document.documentElement.dataset")
        draw(browser)
        if width > 1000:
            left, top = browser.run(
                "(box => [box.left, box.top])(document.getElementById('stage-1').getBoundingClientRect())"
            )
            browser.mouse("mouseMoved", left + 133, top + 33, button="none")
        browser.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        picture = browser.call("Page.captureScreenshot", format="png")["data"]
        (folder / f"{name}.png").write_bytes(base64.b64decode(picture))


@click.command()
@click.argument("run_folder", metavar="DIR")
@click.option("--screenshots", type=click.Path(path_type=Path, exists=True, file_okay=False))
def main(run_folder: str, screenshots: Path | None) -> None:
    """Measure, and print the median, the 95th percentile and the largest."""
    program = chromium()
    if program is None:
        raise click.UsageError("needs Chromium; install it")
    command = [sys.executable, "-m", "workbench", "demo", run_folder, "--port", "0", "--no-browser"]
    with (
        tempfile.TemporaryDirectory() as profile,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
    ):
        try:
            assert server.stdout is not None
            found = re.search(r"http://\S+", server.stdout.readline())
            if found is None:
                sys.exit(2)  # the command has said why
            browser = Browser(program, profile)
            browser.open(found[0], width=1440)
            browser.wait("'ready' in document.documentElement.dataset")
            browser.run(KEEP)
            draw(browser)
            told = browser.run("window.told")
            if screenshots is not None:
                photograph(browser, found[0], screenshots)
            browser.close()
        finally:
            server.terminate()
    numbers = [re.findall(r"[\d.]+", each) for each in told if each]
    for name, column in (("there and back", 0), ("in the network", 1)):
        times = sorted(float(each[column]) for each in numbers)
        high = times[int(0.95 * (len(times) - 1))]
        print(
            f"{name}: median {statistics.median(times):g} ms, 95 % {high:g} ms, most {times[-1]:g} ms, of {len(times)}"
        )
    print(machine.summary(), machine.versions())


if __name__ == "__main__":
    main()
