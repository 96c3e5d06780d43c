"""`/v1/decisions` (all entries), `/v1/entries`, `/v1/evidence`, `/v1/checkpoints`: the whole log, asked and proved."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from remit.audit.checkpoint import parse
from remit.audit.entry import KINDS
from remit.audit.finding import Finder
from remit.audit.log import Log, Recorded
from remit.audit.merkle import leaf_hash
from remit.audit.path import rungs
from remit.audit.proving import Proving
from remit.audit.terms import FIELDS, Sought, words
from remit.kernel.clock import DAY, Instant, parse_date_end, rfc3339
from remit.kernel.errors import Malformed, NotFound
from remit.server.door import Ask, Door

_MOST: Final = 1000
_EVIDENCE: Final = 200  # entries of one page: each has a proof of its own
_CHECKPOINTS: Final = 500
_LONGEST: Final = 1024
_DIGITS: Final = 18
FILTERS: Final = (*FIELDS, "text", "from", "to")
"""What `sought` reads of a query string."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """The log over HTTP, for who asks it."""

    log: Log
    finder: Finder
    proving: Proving

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(
                method="GET", path="/v1/decisions", action="readAudit", handle=self.find,
                query=(*FILTERS, "before", "limit"),
                summary="Entries of the whole log, the newest first; each field is a filter (?agent=, ?from=, ?text=)",
            ),
            Door(
                method="GET", path="/v1/entries/{id}", summary="One entry of any kind, as it stands in the log",
                action="readAudit", handle=self.show,
            ),
            Door(
                method="GET", path="/v1/entries/{id}/proof", action="readAudit", handle=self.proof, query=("size",),
                summary="The hashes from an entry up to the signed root (?size= of an older checkpoint)",
            ),
            Door(
                method="GET", path="/v1/evidence", action="readAudit", handle=self.evidence,
                query=("entry", *FILTERS, "size", "before", "limit"),
                summary="Entries with their proofs under one checkpoint, page by page (?entry=ID, or filters)",
            ),
            Door(
                method="GET", path="/v1/checkpoints", summary="The signed checkpoints that are kept, the newest first",
                action="readAudit", handle=self.checkpoints, query=("limit",),
            ),
            Door(
                method="GET", path="/v1/checkpoints/consistency", action="readAudit", handle=self.consistency,
                query=("old", "new"),
                summary="The proof that one checkpoint continues an earlier one (?old=SIZE&new=SIZE)",
            ),
        ]  # fmt: skip

    def find(self, ask: Ask) -> dict[str, Any]:
        """Entries that answer, without payloads; `next` is the `before` of the page behind."""
        limit = max(1, ask.number("limit", default=20, most=_MOST))  # of none there is no next
        found = self.finder.page(sought(ask.query), before=self._before(ask), most=limit)
        return {"entries": [_line(each) for each in found.entries], "next": found.more}

    def show(self, ask: Ask) -> dict[str, Any]:
        """One entry, without its payload."""
        found = self.log.find(ask.path["id"])
        return {"entry": found.header, "index": found.index}

    def proof(self, ask: Ask) -> dict[str, Any]:
        """The way up, hash by hash; computed here, so that it can be drawn: who verifies computes anew."""
        index = self.finder.position(ask.path["id"])
        note = self.proving.at(_size(ask)) if "size" in ask.query else None
        standing = self.proving.standing([index], note=note)
        if not standing.entries:
            raise NotFound("no checkpoint covers that entry yet")
        _, header, proof = standing.entries[0]
        point, leaf = parse(standing.note), leaf_hash(header)
        steps = rungs(leaf, index=index, size=point.size, proof=proof)
        return {
            "id": ask.path["id"], "index": index, "size": point.size, "root": point.root.hex(), "leaf": leaf.hex(),
            "header": base64.b64encode(header).decode(), "checkpoint": standing.note, "key": self.proving.key(),
            "path": [
                {"given": each.given.hex(), "side": "left" if each.left else "right", "covers": [each.low, each.high],
                 "made": each.made.hex(), "made_covers": [each.made_low, each.made_high]}
                for each in steps
            ],
        }  # fmt: skip

    def evidence(self, ask: Ask) -> dict[str, Any]:
        """One page of evidence. All pages stand under the checkpoint of the first: `size` of the pages behind it."""
        limit = max(1, ask.number("limit", default=_EVIDENCE, most=_EVIDENCE))
        note = self.proving.at(_size(ask)) if "size" in ask.query else self.log.checkpoint()
        if note is None:
            raise NotFound("the log has no checkpoint yet")
        size = parse(note).size
        if "entry" in ask.query:
            places, more = [self.finder.position(ask.query["entry"])], None
            if places[0] >= size:
                raise NotFound("no checkpoint covers that entry yet")
        else:
            before = self._before(ask)
            found = self.finder.page(
                sought(ask.query), before=size if before is None else min(before, size), most=limit
            )
            places, more = [each.index for each in found.entries if each.index is not None], found.more
        standing = self.proving.standing(places, note=note)
        return {
            "key": self.proving.key(), "checkpoint": note, "size": size, "next": more,
            "entries": [
                {"index": at, "header": _text(header), "proof": [_text(each) for each in proof]}
                for at, header, proof in standing.entries
            ],
        }  # fmt: skip

    def checkpoints(self, ask: Ask) -> dict[str, Any]:
        """Those that are kept: the newest of each minute."""
        limit = ask.number("limit", default=100, most=_CHECKPOINTS)
        return {
            "key": self.proving.key(),
            "checkpoints": [
                {"size": each.size, "root": parse(each.note).root.hex(), "signed": rfc3339(each.signed),
                 "checkpoint": each.note}
                for each in self.proving.checkpoints(limit)
            ],
        }  # fmt: skip

    def consistency(self, ask: Ask) -> dict[str, Any]:
        """Both checkpoints, and the hashes that lead from one to the other."""
        old, new = _size(ask, "old"), _size(ask, "new")
        found = self.proving.continued(old=old, new=new)
        return {
            "key": self.proving.key(), "old": found.old, "new": found.new,
            "proof": [each.hex() for each in found.proof],
        }  # fmt: skip

    def _before(self, ask: Ask) -> int | None:
        said = ask.query.get("before", "")
        if not said:
            return None
        if said.isascii() and said.isdigit() and len(said) <= _DIGITS:
            return int(said)
        return self.finder.position(said)


def sought(query: Mapping[str, str]) -> Sought:
    """What a query string asks the log for.

    Raises:
        Malformed: An unknown kind, a time that is none, or a text without a word in it.
    """
    fields = {name: query[name] for name in FIELDS if query.get(name)}
    if any(len(each) > _LONGEST for each in fields.values()):
        raise Malformed(f"a filter has up to {_LONGEST} characters")
    if fields.get("kind", "decision") not in KINDS:
        raise Malformed(f"a kind is one of {', '.join(sorted(KINDS))}")
    text = query.get("text", "")
    if text and not words(text):
        raise Malformed("a text is searched for by its words: letters and digits")
    return Sought(fields=fields, text=text, since=_time(query, "from"), until=_time(query, "to"))


def _time(query: Mapping[str, str], name: str) -> Instant | None:
    said = query.get(name, "")
    if not said:
        return None
    at = parse_date_end(said)
    # A day begins at its beginning, and ends at its end.
    return Instant(at - DAY) if name == "from" and "T" not in said else at


def _size(ask: Ask, name: str = "size") -> int:
    said = ask.query.get(name, "")
    if not (said.isascii() and said.isdigit() and len(said) <= _DIGITS):
        raise Malformed(f"{name} is a number of entries")
    return int(said)


def _line(entry: Recorded) -> dict[str, Any]:
    header = entry.header
    answer = header.get("decision") if header["kind"] == "decision" else None  # of an outcome it is an id
    return {"index": entry.index, "answer": answer, **header}


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
