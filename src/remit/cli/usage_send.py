"""Files of usage, read and sent to the server a batch at a time; what became of them is added up."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from remit.certification.usage.ingest import Line
from remit.certification.usage.line import line_of
from remit.cli.wire import Api, Refused, segment
from remit.connectors.files import chunks
from remit.connectors.format import Format
from remit.connectors.formats import CONNECTORS, LOOK, guess
from remit.connectors.mapping import Mapping
from remit.connectors.model import Passed, Read
from remit.connectors.stream import head
from remit.kernel.canonical import encode

MOST_EVENTS: Final = 5_000
_MOST_BYTES: Final = 700_000  # a server takes 1 MiB unless it was told otherwise
_SHOWN: Final = 20


@dataclass(slots=True)
class Sent:
    """What became of an import."""

    taken: int = 0
    duplicates: int = 0
    refused: int = 0
    lost: int = 0  # refused, and nobody knows what they said
    first: list[dict[str, Any]] = field(default_factory=list)  # of the refused
    passed: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    unattributed: Counter[tuple[str, str]] = field(default_factory=Counter)
    moved: set[str] = field(default_factory=set)
    shadows: list[dict[str, Any]] = field(default_factory=list)  # uses that no decision stands behind
    shadow_count: int = 0

    def refuse(self, file: str, line: int, reason: str, *, told: bool) -> None:
        """Count one line that was not taken."""
        self.refused += 1
        self.lost += not told
        if len(self.first) < _SHOWN:
            self.first.append({"file": file, "line": line, "reason": reason})

    def add(self, answer: dict[str, Any], places: Sequence[tuple[str, int]]) -> None:
        """Count a batch in; `places` are its lines' files and numbers."""
        self.taken += answer["taken"]
        self.duplicates += answer["duplicates"]
        self.refused += answer["refused_count"]
        self.lost += answer["not_understood"]
        for each in answer["refused"][: _SHOWN - len(self.first)]:
            file, line = places[each["line"] - 1] if 0 < each["line"] <= len(places) else ("", 0)
            self.first.append({"file": file, "line": line, "reason": each["reason"]})
        self.unknown.update(answer["unknown_agents"])
        self.unattributed.update({(row["agent"], row["action"]): row["count"] for row in answer["unattributed"]})
        self.moved |= set(answer["moved"])
        self.shadows += answer["shadows"][: _SHOWN - len(self.shadows)]
        self.shadow_count += answer["shadow_count"]

    def shape(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "taken": self.taken,
            "duplicates": self.duplicates,
            "refused_count": self.refused,
            "not_understood": self.lost,
            "refused": self.first,
            "passed": dict(sorted(self.passed.items())),
            "unknown_agents": dict(sorted(self.unknown.items())),
            "unattributed": [
                {"agent": agent, "action": action, "count": count}
                for (agent, action), count in sorted(self.unattributed.items())
            ],
            "moved": len(self.moved),
            "shadows": self.shadows,
            "shadow_count": self.shadow_count,
        }


@dataclass(slots=True)
class Sender:
    """Sends what one source tells."""

    api: Api
    source: str
    sent: Sent = field(default_factory=Sent)
    _events: list[dict[str, Any]] = field(default_factory=list)
    _places: list[tuple[str, int]] = field(default_factory=list)
    _size: int = 0

    def file(self, path: Path, mapping: Mapping, form: Format | None, progress: Callable[[int], None]) -> None:
        """Send one file.

        Raises:
            RemitError: It cannot be read, or is of no format that is known; what of it was sent before stands.
        """
        first, again = head(chunks(path, progress=progress), LOOK)
        if not first:
            return
        found = form or guess(first, mapping, name=path.name)
        for read in CONNECTORS[found](again, mapping, self.source):
            self._one(path.name, read)

    def _one(self, file: str, read: Read) -> None:
        if isinstance(read, Line):
            line = line_of(read.event)
            self._events.append(line)
            self._places.append((file, read.line))
            self._size += len(encode(line)) + 1
            if len(self._events) >= MOST_EVENTS or self._size >= _MOST_BYTES:
                self.flush()
        elif isinstance(read, Passed):
            self.sent.passed[read.why] += 1
        else:
            self.sent.refuse(file, read.line, read.reason, told=read.told)

    def flush(self) -> None:
        """Send what waits."""
        events, places = self._events, self._places
        self._events, self._places, self._size = [], [], 0
        if events:
            self._post(events, places)

    def cover(self, spans: Sequence[tuple[int, int]]) -> None:
        """Say for which windows everything was sent: after all of it was."""
        self._send([], [], spans)

    def _post(self, events: list[dict[str, Any]], places: list[tuple[str, int]]) -> None:
        try:
            self._send(events, places, ())
        except Refused as error:
            if error.problem["code"] != "too_large" or len(events) == 1:
                raise
            half = len(events) // 2  # a server that takes less at once
            self._post(events[:half], places[:half])
            self._post(events[half:], places[half:])

    def _send(
        self, events: list[dict[str, Any]], places: list[tuple[str, int]], spans: Sequence[tuple[int, int]]
    ) -> None:
        body = {"events": events, "covers": [list(span) for span in spans]}
        self.sent.add(self.api.post(f"/v1/usage/{segment(self.source)}", body), places)


@contextmanager
def bar(files: Sequence[Path]) -> Iterator[Callable[[Path], Callable[[int], None]]]:
    """A progress bar on stderr, where a person looks; yields what to tell how much of a file is read."""
    from rich.console import Console  # noqa: PLC0415 - a tenth of a second that other commands do not pay
    from rich.progress import (  # noqa: PLC0415 - as above
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    sizes = {path: path.stat().st_size if path.exists() else 0 for path in files}
    columns = (TextColumn("importing"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    shown = Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True)
    with shown:
        task = shown.add_task("importing", total=sum(sizes.values()))

        def of(path: Path) -> Callable[[int], None]:
            before = sum(sizes[each] for each in files[: list(files).index(path)])
            return lambda read: shown.update(task, completed=before + read)

        yield of
