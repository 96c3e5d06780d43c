#!/usr/bin/env python3
"""Fetch the console's scripts from npm, and write down exactly what was taken.

    scripts/vendor.py            fetch, write the files and their lock
    scripts/vendor.py --check    without network: exit 9 unless each file is the one in the lock, and no other is there
    scripts/vendor.py --fresh    fetch, and exit 9 if anything differs from what is committed

npm checks what it downloads against the registry's SHA-512 and runs no script of a package. Who uses Remit needs
neither: the files are part of it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

STATIC = Path(__file__).parents[1] / "src" / "remit" / "console" / "static"
VENDORED, LOCK = STATIC / "vendored", STATIC / "vendor.lock.json"
# package, version -> files in it
PACKAGES: dict[tuple[str, str], tuple[str, ...]] = {
    ("htmx.org", "4.0.1"): ("dist/htmx.min.js", "dist/ext/hx-csp.min.js", "dist/ext/hx-sse.min.js"),
    ("uplot", "1.6.32"): ("dist/uPlot.iife.min.js", "dist/uPlot.min.css"),
    ("graphology", "0.26.0"): ("dist/graphology.umd.min.js",),
    ("sigma", "3.0.3"): ("dist/sigma.min.js",),
}
DIFFERS = 9


def fetched(folder: Path) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """The files by name, and what the lock says of each package."""
    wanted = [f"{name}@{version}" for name, version in PACKAGES]
    (folder / "package.json").write_text("{}", encoding="utf-8")
    command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--save-exact", *wanted]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    resolved = json.loads((folder / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    files: dict[str, bytes] = {}
    lock = []
    for (name, version), paths in PACKAGES.items():
        said, about = resolved[f"node_modules/{name}"], json.loads(_read(folder, name, "package.json"))
        if said["version"] != version:
            raise SystemExit(f"{name} {said['version']} came, not {version}")
        taken = {Path(path).name: _read(folder, name, path) for path in paths}
        files |= taken
        lock.append(
            {
                "name": name,
                "version": version,
                "licence": about["license"],
                "integrity": said["integrity"],
                "files": {each: hashlib.sha512(body).hexdigest() for each, body in taken.items()},
            }
        )
    return files, lock


def _read(folder: Path, package: str, path: str) -> bytes:
    return (folder / "node_modules" / package / path).read_bytes()


def unlike(static: Path) -> list[str]:
    """The names of vendored files that are not what the lock says (changed, missing, of no package), or its own."""
    lock = json.loads((static / LOCK.name).read_text(encoding="utf-8"))
    said = {name: digest for package in lock for name, digest in package["files"].items()}
    have = {each.name: hashlib.sha512(each.read_bytes()).hexdigest() for each in (static / VENDORED.name).iterdir()}
    wrong = {name for name in {*have, *said} if have.get(name) != said.get(name)}
    wanted = {(name, version, tuple(Path(path).name for path in paths)) for (name, version), paths in PACKAGES.items()}
    if wanted != {(each["name"], each["version"], tuple(each["files"])) for each in lock}:
        wrong.add(LOCK.name)
    return sorted(wrong)


def refreshed(*, write: bool) -> list[str]:
    """Fetch, and write or compare; the names of what differs."""
    with tempfile.TemporaryDirectory() as place:
        files, lock = fetched(Path(place))
    text = json.dumps(lock, indent=2) + "\n"
    if write:
        shutil.rmtree(VENDORED, ignore_errors=True)
        VENDORED.mkdir(parents=True)
        for name, body in files.items():
            (VENDORED / name).write_bytes(body)
        LOCK.write_text(text, encoding="utf-8")
    have = {path.name: path.read_bytes() for path in VENDORED.iterdir()} if VENDORED.exists() else {}
    differs = sorted(name for name in {*have, *files} if have.get(name) != files.get(name))
    return [*differs, LOCK.name] if LOCK.read_text(encoding="utf-8") != text else differs


def main(arguments: list[str] | None = None) -> int:
    """Fetch, and write or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="no network: compare with the lock; exit 9 if it differs")
    parser.add_argument("--fresh", action="store_true", help="fetch, change nothing; exit 9 if anything differs")
    parser.add_argument("--static", type=Path, default=STATIC, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    differs = unlike(chosen.static) if chosen.check else refreshed(write=not chosen.fresh)
    for name in differs:
        print(f"differs: {name}", file=sys.stderr)
    sizes = [each.stat().st_size for each in (chosen.static / VENDORED.name).iterdir()]
    print(f"{len(sizes)} files, {sum(sizes)} bytes")
    return DIFFERS if differs else 0


if __name__ == "__main__":
    raise SystemExit(main())
