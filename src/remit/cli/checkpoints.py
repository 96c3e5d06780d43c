"""The newest checkpoint this user saw, kept outside the data directory.

Whoever can change the server's data can roll the whole log back and sign a shorter one.
That shows only against something they do not hold: this file.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from remit.cli.locate import Unreachable
from remit.cli.output import talk
from remit.cli.wire import Api
from remit.kernel.errors import RemitError
from remit.server.settings import checkpoint_directory

_ORIGIN = re.compile(r"remit/[A-Za-z0-9_-]{1,64}\Z")
_MAX_NOTE = 16 * 1024


def kept(origin: str) -> str | None:
    """The note kept for the log `origin`, if any."""
    return _read(_path(origin))


def kept_key(origin: str) -> str | None:
    """The log's verifier key as it was first seen, if any."""
    return _read(_path(origin, ".key"))


def keep(note: str, *, key: str | None = None) -> None:
    """Keep `note` unless a larger log's checkpoint is kept already: a shorter log never overwrites it.

    Call it with a note that was verified, or that nothing was kept to compare with.
    """
    head = _head(note)
    path = _path(head[0]) if head else None
    if head is None or path is None:
        return
    if key is not None and kept_key(head[0]) is None:
        _write(path.with_name(path.name + ".key"), key)
    before = _head(kept(head[0]) or "")
    if before is None or before[1] < head[1]:
        _write(path, note)


def keep_from(api: Api) -> None:
    """Keep the server's newest checkpoint, if it continues the one kept. What the command itself did stands."""
    try:
        note = api.raw("GET", "/v1/audit/checkpoint")[1].decode("utf-8")
        head = _head(note)
        before = kept(head[0]) if head else None
        if before is None or _continues(api, before, note):
            keep(note, key=api.raw("GET", "/v1/audit/key")[1].decode("utf-8"))
        else:
            talk("the log does not continue the checkpoint that was kept here", style="bold red")
            talk("  try      remit audit verify")
    except (RemitError, OSError, UnicodeDecodeError) as error:
        if getattr(error, "problem", {}).get("code") not in {"forbidden", "not_found"}:
            talk(f"the newest checkpoint could not be kept: {error}")


def _continues(api: Api, old: str, new: str) -> bool:
    """Whether the log under `new` begins with the log under `old` (RFC 9162 section 2.1.4)."""
    if old == new:
        return True
    from remit.audit import checkpoint, merkle, tiles  # noqa: PLC0415 - only where there is something to compare

    before, after = checkpoint.parse(old), checkpoint.parse(new)
    if before.size >= after.size:
        # An answer from a moment before the kept one is no rollback if it is a part of it; verify says which.
        return before.size > after.size or before.root == after.root

    def tile(level: int, index: int) -> bytes | None:
        status, body = api.raw("GET", f"/v1/audit/{tiles.path(level, index)}", ok=(404,))
        return body if status == 200 else None  # noqa: PLR2004 - HTTP's own number

    ranges = tiles.range_hash_from(tile)
    try:
        proof = merkle.consistency_proof(old=before.size, new=after.size, range_hash=ranges)
        merkle.verify_consistency(
            old=before.size, new=after.size, proof=proof, old_root=before.root, new_root=after.root
        )
    except Unreachable:
        raise
    except RemitError:
        return False
    return True


def _read(path: Path | None) -> str | None:
    try:
        return path.read_text(encoding="utf-8") if path else None
    except (OSError, UnicodeDecodeError):
        return None


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def _path(origin: str, suffix: str = "") -> Path | None:
    # The origin comes from a server: it may name a file here, and nothing else.
    if not _ORIGIN.match(origin):
        return None
    return checkpoint_directory(os.environ) / (origin.replace("/", "-") + suffix)


def _head(note: str) -> tuple[str, int] | None:
    lines = note[:_MAX_NOTE].split("\n", 2)
    if len(lines) < 3 or not lines[1].isascii() or not lines[1].isdigit():  # noqa: PLR2004 - origin, size, the rest
        return None
    return lines[0], int(lines[1])
