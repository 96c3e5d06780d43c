"""The vendored scripts are what their lock says, and small enough."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files

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
