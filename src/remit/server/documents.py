"""The documents that `apply` is given: read into domain values, and every problem located by file and line. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from remit.access import spec as access
from remit.agents import spec as agents
from remit.catalog import spec as catalog
from remit.certification.noticing import combination_spec as combinations
from remit.kernel.errors import ConfigInvalid, Conflict, Malformed, RemitError
from remit.people import spec as people
from remit.people.document import SpecInvalid
from remit.server import platforms
from remit.vault import spec as vault

# What stands later may name the earlier.
_RULES: Final = ("schema", "entities", "authzen", "policy")
KINDS: Final = ("owner", "purpose", "secret", "server", "trust", "agent", "boundary", "combination", *_RULES)
# What the organisation rules by: each is a file, as its author wrote it.
TEXTS: Final = frozenset(_RULES)
_READ: Final[Mapping[str, Callable[[object], Any]]] = {
    "owner": people.owner,
    "purpose": access.purpose,
    "secret": vault.secret,
    "server": catalog.server,
    "trust": platforms.trust,
    "agent": agents.agent,
    "boundary": access.boundary,
    "combination": combinations.combination,
}
_MAX_FILE = 500
_ENDINGS: Final = {"schema": ".cedarschema", "entities": ".json", "authzen": ".toml"}  # so no file is two things


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One thing that should be. `value` is the domain value; of a file of rules, its text."""

    kind: str
    name: str
    value: Any
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Located:
    """One problem and where it stands."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.field, self.message) if part)


class TreeInvalid(ConfigInvalid):
    """Documents with problems: the first in the public sentence, all of them in `problems` and the detail."""

    def __init__(self, problems: Sequence[Located]) -> None:
        self.problems = tuple(problems)
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(str(problems[0]) + more, detail="\n".join(map(str, problems)))


@dataclass(slots=True)
class Findings:
    """What is wrong with the documents, collected so that an author sees all of it at once."""

    invalid: list[Located] = field(default_factory=list)
    conflicts: list[tuple[Located, str]] = field(default_factory=list)

    def add(self, document: Document, error: RemitError) -> None:
        """Note what `error` says of a document."""
        if isinstance(error, SpecInvalid):
            self.invalid += [Located(document.file, document.line, each.field, each.message) for each in error.problems]
        elif isinstance(error, Conflict):
            self.conflicts.append((Located(document.file, document.line, "", error.public), error.try_))
        else:
            self.invalid.append(Located(document.file, document.line, "", error.public))

    def finish(self) -> None:
        """Raise what was found.

        Raises:
            TreeInvalid: A document does not validate.
            Conflict: All do, and one asks for what is not to be had by changing a file.
        """
        if self.invalid:
            raise TreeInvalid(self.invalid + [located for located, _ in self.conflicts])
        if self.conflicts:
            first, advice = self.conflicts[0]
            raise Conflict(str(first), detail="\n".join(str(each) for each, _ in self.conflicts), try_=advice)


def read(documents: Sequence[Mapping[str, Any]], findings: Findings) -> list[Document]:
    """Read the documents, in the order of `KINDS`; those with problems are noted and left out.

    Raises:
        Malformed: A document is no such object at all.
    """
    found: list[Document] = []
    seen: dict[tuple[str, str], Document] = {}
    for raw in documents:
        document = _frame(raw)
        if document.kind not in TEXTS:
            try:
                value = _READ[document.kind](document.value)
            except RemitError as error:
                findings.add(document, error)
                continue
            name = str(getattr(value, document.kind))
            document = Document(kind=document.kind, name=name, value=value, file=document.file, line=document.line)
        first = seen.setdefault((document.kind, document.name), document)
        if first is not document:
            said = f"the {document.kind} {document.name} stands in {first.file}:{first.line} as well"
            findings.invalid.append(Located(document.file, document.line, "", said))
        else:
            found.append(document)
    return sorted(found, key=lambda each: KINDS.index(each.kind))


def _frame(raw: object) -> Document:
    """`{kind, spec, file, line}`, or for a file of rules `{kind, file, text}`."""
    if not isinstance(raw, dict) or raw.get("kind") not in KINDS:
        raise Malformed(f"a document is an object with a kind: {', '.join(KINDS)}")
    kind, file = raw["kind"], raw.get("file", "")
    content = "text" if kind in TEXTS else "spec"
    line = raw.get("line", 0)
    whole = isinstance(line, int) and not isinstance(line, bool) and line >= 0
    if set(raw) - {"kind", content, "file", "line"} or content not in raw or not whole:
        raise Malformed(f"a document has kind, {content}, file and line")
    if not isinstance(file, str) or len(file) > _MAX_FILE or not file.isprintable():
        raise Malformed("a document's file is one line of text")
    if kind in TEXTS and (not file or not isinstance(raw["text"], str) or "\x00" in raw["text"]):
        raise Malformed(f"a document of kind {kind} has a file and a text")
    if not file.endswith(_ENDINGS.get(kind, "")):
        raise Malformed(f"the file of a document of kind {kind} ends in {_ENDINGS[kind]}")
    return Document(kind=kind, name=file, value=raw[content], file=file, line=line)


def names(documents: Iterable[Document]) -> dict[str, set[str]]:
    """The names that stand in the documents, by kind."""
    found: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for document in documents:
        found[document.kind].add(document.name)
    return found
