"""Draw the pictures of docs/tour.md by its own commands: ``python -m docs.draw_tour``.

They are reduced to 256 colours, as ``small`` does with any picture: ``python -m docs.draw_tour FILE.png...``.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image

from docs.pages import files, transcripts
from workbench.system.files import temporary_folder

ROOT = Path(__file__).parents[1]
PAGE, IMAGES = ROOT / "docs" / "tour.md", ROOT / "docs" / "images"

PICTURE = re.compile(r"\(images/tour-([\w-]+\.png)\)")
"""A picture of the page that one of its commands writes under the name in the group."""

PHOTOGRAPH = Path("docs") / "images" / "chelsea.png"
"""What the commands need of the checkout."""


def small(source: Path, target: Path) -> None:
    """Write a picture with 256 colours at most, none of which is far from what it was."""
    with Image.open(source) as picture:
        found = picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=4, dither=Image.Dither.NONE)
    found.save(target, optimize=True)


def main() -> None:
    """Run the commands of the page in a folder of their own, and keep the pictures."""
    page = PAGE.read_text(encoding="utf-8")
    with temporary_folder() as folder:
        (folder / PHOTOGRAPH).parent.mkdir(parents=True)
        shutil.copy(ROOT / PHOTOGRAPH, folder / PHOTOGRAPH)
        for name, code in files(page).items():
            (folder / name).write_text(code, encoding="utf-8")
        for command, _ in transcripts(page):
            program, *arguments = shlex.split(command)
            module = [] if program == "python" else ["-m", program]
            environment = os.environ | {"PYTHONPATH": str(ROOT)}
            subprocess.run([sys.executable, *module, *arguments], cwd=folder, env=environment, check=True)
        for name in PICTURE.findall(page):
            small(folder / name, IMAGES / f"tour-{name}")


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        small(Path(argument), Path(argument))
    if not sys.argv[1:]:
        main()
