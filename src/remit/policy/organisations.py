"""Policy sets that were read lately: what is read and validated beside decisions is there when it comes into force.

Parsing a thousand policies takes a tenth of a second. A change is read and validated by whoever asks
for it, before the writer's turn; within that turn, and when the view is swapped, the same files
are found here.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

from remit.catalog.model import Server
from remit.kernel.canonical import encode
from remit.policy import organisation
from remit.policy.ahead import Ahead
from remit.policy.organisation import Organisation
from remit.policy.ports import Engine
from remit.policy.schema import for_catalog
from remit.policy.statements import Statement, statements

K = TypeVar("K")
V = TypeVar("V")
_NOTHING: Final[Mapping[str, Any]] = {}
_KEPT: Final = 8  # sets; one of a thousand policies takes some 4 MB


class Organisations:
    """Reads and validates policy files through an engine. Any thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._read: OrderedDict[str, Organisation] = OrderedDict()
        self._statements: Mapping[str, Mapping[str, Any]] = {}  # of the set that was read last: most stay as they are
        self._valid: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._fitting: tuple[str, frozenset[str]] = ("", frozenset())  # the last catalog, and statements that fit it
        self._lock = threading.Lock()  # held for a look only, never while something is read

    def read(
        self, files: Mapping[str, str], *, serial: int = 0, divided: Mapping[str, Sequence[Statement]] | None = None
    ) -> Organisation:
        """The policies of `files`; `divided` as in `organisation.read`.

        Raises:
            ConfigInvalid: As `organisation.read`. What cannot be read is not kept.
        """
        digest = organisation.digest(files)
        with self._lock:
            found = self._read.get(digest)
        if found is None:
            found = organisation.read(files, self._engine, known=self._statements, divided=divided)
            with self._lock:
                self._statements = {policy.text: policy.cedar for policy in found.policies}
                _keep(self._read, digest, found)
        return replace(found, serial=serial)

    def check(
        self,
        files: Mapping[str, str],
        servers: Collection[Server],
        declared: Mapping[str, Any] = _NOTHING,
        *,
        standing: Collection[str] = (),
    ) -> Organisation:
        """Read `files`, and validate them strictly against the catalog and the schema that was `declared`.

        Statements that are `standing` may be such as can never do anything (`organisation.check`).

        Raises:
            ConfigInvalid: One cannot be read or does not validate; names file and line.
        """
        catalog = {**for_catalog(servers), **declared}
        shape, digest = hashlib.sha256(encode(catalog)).hexdigest(), organisation.digest(files)
        with self._lock:
            valid, read, (fitting, texts) = (digest, shape) in self._valid, digest in self._read, self._fitting
        if valid:
            return self.read(files)
        known, fit = texts if fitting == shape else frozenset[str](), frozenset[str]()
        if read:
            found = self.read(files)
        else:
            divided = {file: tuple(statements(text)) for file, text in files.items()}
            with Ahead(self._engine, divided, catalog, known) as ahead:
                found = self.read(files, divided=divided)
            fit = ahead.fitting
        idle = organisation.check(found, catalog, self._engine, known=known, fit=fit, standing=standing)
        with self._lock:
            self._fitting = shape, frozenset(policy.text for policy in found.policies) - idle
            if not idle:  # it is valid for as long as that stands, and no longer
                _keep(self._valid, (found.digest, shape), None)
        return found


def _keep(among: OrderedDict[K, V], key: K, value: V) -> None:
    """Keep one more, and let go of the oldest."""
    among[key] = value
    while len(among) > _KEPT:
        among.popitem(last=False)
