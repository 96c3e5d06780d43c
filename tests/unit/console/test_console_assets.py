"""The vendored scripts are what their lock says, and small enough."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

VENDOR = Path(__file__).parents[3] / "scripts" / "vendor.py"
STATIC = files("remit.console") / "static"
_MOST = 600_000  # bytes of all static files, raw


def test_each_vendored_file_is_the_one_in_the_lock() -> None:
    lock = json.loads((STATIC / "vendor.lock.json").read_text(encoding="utf-8"))
    said = {name: digest for package in lock for name, digest in package["files"].items()}
    have = {each.name: hashlib.sha512(each.read_bytes()).hexdigest() for each in (STATIC / "vendored").iterdir()}
    assert have == said
    assert all(package["licence"] and package["integrity"].startswith("sha512-") for package in lock)


def test_all_static_files_together_are_small() -> None:
    sizes = [
        len(each.read_bytes())
        for folder in (STATIC, STATIC / "vendored")
        for each in folder.iterdir()
        if each.is_file()
    ]
    assert sum(sizes) <= _MOST


@pytest.mark.parametrize("harm", ["none", "byte", "gone", "more", "version"])
def test_the_check_says_what_is_not_as_it_was_vendored(tmp_path: Path, harm: str) -> None:
    static = tmp_path / "static"
    shutil.copytree(str(STATIC), static)
    file = static / "vendored" / "htmx.min.js"
    if harm == "byte":
        body = bytearray(file.read_bytes())
        body[1000] ^= 1
        file.write_bytes(body)
    elif harm == "gone":
        file.unlink()
    elif harm == "more":
        (static / "vendored" / "more.js").write_bytes(b"")
    elif harm == "version":
        lock = static / "vendor.lock.json"
        lock.write_text(lock.read_text(encoding="utf-8").replace('"4.0.1"', '"4.0.2"'), encoding="utf-8")
    command = [sys.executable, str(VENDOR), "--check", "--static", str(static)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = {"none": "", "more": "more.js", "version": "vendor.lock.json"}.get(harm, "htmx.min.js")
    assert done.returncode == (9 if found else 0)
    assert done.stderr == (f"differs: {found}\n" if found else "")
