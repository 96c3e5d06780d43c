"""Reads declarations once: what an apply has validated is what the view takes, and only a file that changed is parsed.

Thousands of entities take seconds to read: that is not done on the writer's thread, on which decisions wait.
"""

from __future__ import annotations

import dataclasses
import itertools

from remit.policy.declared import reading
from remit.policy.declared.model import Declared
from remit.policy.ports import Engine
from remit.policy.slices import Recent

_KEPT = 2  # generations of two: what is in force, and what is tried


class Reader:
    """Any thread: each step is one operation on a dict, and reading twice does no harm."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._serials = itertools.count(1)
        self._read = Recent(_KEPT)
        self._checked = Recent(_KEPT)
        self._parsed = reading.Parsed()

    def read(self, files: reading.Files) -> Declared:
        """Everything declared, with a serial of its own.

        Raises:
            ConfigInvalid: As `reading.read`.
        """
        digest = reading.digest(files)
        found: Declared | None = self._read.get(digest)
        if found is None:
            found = reading.read(files, self._engine, serial=next(self._serials), parsed=self._parsed)
            self._read.put(digest, found)
        return found

    def check(self, files: reading.Files) -> Declared:
        """The same, having the engine see that all entities conform.

        Raises:
            ConfigInvalid: They do not, or as `reading.read`.
        """
        found = self.read(files)
        if self._checked.get(found.digest) is None:
            reading.check_entities(found, self._engine)
            self._checked.put(found.digest, found.digest)
        return found

    def unreadable(self, files: reading.Files, *, fault: str) -> Declared:
        """Stored declarations that cannot be read."""
        return dataclasses.replace(reading.unreadable(files, fault=fault), serial=next(self._serials))
