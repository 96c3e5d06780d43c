"""Time zones by name, from the newest database that is here: the wheel `tzdata`, or else the system's.

Read once for each name, when a boundary that names it is read; a decision finds it in memory.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import metadata, resources
from pathlib import Path
from typing import Final
from zoneinfo import TZPATH, ZoneInfo

from remit.kernel.errors import Malformed

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9][A-Za-z0-9_+-]*){0,2}\Z")
_LIST: Final = "tzdata.zi"


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The time zone of that name.

    Raises:
        Malformed: There is none.
    """
    if not _NAME.match(name):
        raise Malformed("a time zone is named as the IANA database does, such as Europe/Berlin")
    version()  # read with its first zone: a decision, which asks for it, is not the first to look at the disk
    try:
        if _wheel() is None:
            return ZoneInfo(name)
        folder = resources.files("tzdata.zoneinfo")
        with folder.joinpath(*name.split("/")).open("rb") as file:
            return ZoneInfo.from_file(file, key=name)
    except (OSError, ValueError, KeyError) as error:
        raise Malformed(f"there is no time zone {name}", detail=str(error)[:200]) from error


@lru_cache(maxsize=1)
def version() -> str:
    """Which rules these are: the database's release, such as 2025b, and where it is from."""
    if (wheel := _wheel()) is not None:
        return wheel
    for folder in TZPATH:
        if (listed := Path(folder) / _LIST).is_file():
            with listed.open(encoding="ascii") as file:
                return f"{file.readline().removeprefix('# version').strip()} (system)"
    return "unknown"


@lru_cache(maxsize=1)
def _wheel() -> str | None:
    """The release that the wheel carries; None if it is not installed."""
    try:
        return metadata.version("tzdata")
    except metadata.PackageNotFoundError:
        return None
