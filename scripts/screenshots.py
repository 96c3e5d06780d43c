#!/usr/bin/env python3
"""Make the README's two pictures of the console from those that the tests leave: needs Chromium, takes a minute.

scripts/screenshots.py              run the tests that take pictures, then cut and write docs/images/console-*.png
scripts/screenshots.py --from DIR   take the pictures that are in DIR already
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
TEST = "tests/e2e/test_e2e_drive.py::test_every_page_is_whole_in_both_themes"
# the test's name of a page -> the picture's
WANTED = {"overview": "console-overview", "live": "console-live"}
HEIGHT, COLOURS, MOST = 860, 96, 200_000  # pixels; colours of the palette; bytes


def taken(folder: Path) -> None:
    """Let the tests take their pictures."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", TEST]
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "REMIT_PICTURES": str(folder)}, stdout=sys.stderr)


def cut(source: Path, to: Path) -> int:
    """The top of a picture, with few colours; its size in bytes."""
    with Image.open(source) as whole:
        top = whole.convert("RGB").crop((0, 0, whole.width, min(whole.height, HEIGHT)))
    for colours in (COLOURS, COLOURS // 2, COLOURS // 4):
        top.quantize(colours).save(to, optimize=True)
        if to.stat().st_size <= MOST:
            break
    return to.stat().st_size


def main() -> int:
    """Take them, cut them, say what was written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="source", type=Path, help="a folder with the tests' pictures")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = chosen.source or Path(place)
        if chosen.source is None:
            taken(folder)
        IMAGES.mkdir(parents=True, exist_ok=True)
        for name, to in WANTED.items():
            for theme in ("light", "dark"):
                file = IMAGES / f"{to}-{theme}.png"
                print(f"{cut(folder / f'{name}-{theme}.png', file):>8} {file.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
