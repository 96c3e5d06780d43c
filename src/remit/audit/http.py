"""The log over HTTP, for verifiers: `GET /v1/audit/...`. Sync, so Starlette gives each request a thread.

All of it is public headers, hashes and signatures; payloads are not served here.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from remit.audit.export import Export, entries_as_json
from remit.audit.log import Log
from remit.audit.merkle import HASH
from remit.audit.source import Stretch
from remit.audit.states import States
from remit.audit.tiles import WIDTH, parse_path
from remit.kernel.errors import Malformed, NotFound

READ = "readAudit"  # what an operator must be permitted
_MOST_ENTRIES = 1000
_DIGITS = 18

Authorize = Callable[[Request, str], None]
"""Raises Unauthenticated or Forbidden unless this request's operator may do the action."""


def routes(log: Log, states: States, authorize: Authorize) -> list[Route]:
    """The routes under `/v1/audit`. RemitErrors that they raise become problems in the server."""
    return [*_tree(log, authorize), *_contents(log, states, authorize)]


def _tree(log: Log, authorize: Authorize) -> list[Route]:
    """What is signed, and the hashes under it."""

    def checkpoint(request: Request) -> Response:
        """GET /v1/audit/checkpoint: the newest signed note; 404 while nothing was signed."""
        authorize(request, READ)
        if (note := log.checkpoint()) is None:
            raise NotFound("the log has no checkpoint yet")
        return PlainTextResponse(note)

    def key(request: Request) -> Response:
        """GET /v1/audit/key: the note verifier key."""
        authorize(request, READ)
        return PlainTextResponse(log.key.text() + "\n")

    def tile(request: Request) -> Response:
        """GET /v1/audit/tile/{level}/{index}: the hashes, by C2SP path or plain numbers; 404 if there is none."""
        authorize(request, READ)
        level, index, width = _tile(request.path_params["path"])
        hashes = log.tile(level, index)
        if hashes is None or (width and len(hashes) < width * HASH):
            raise NotFound("there is no such tile")
        return Response(hashes[: width * HASH] if width else hashes, media_type="application/octet-stream")

    return [
        Route("/v1/audit/checkpoint", checkpoint),
        Route("/v1/audit/key", key),
        Route("/v1/audit/tile/{path:path}", tile),
    ]


def _contents(log: Log, states: States, authorize: Authorize) -> list[Route]:
    """What was recorded, and whether what it speaks of is as it says."""

    def entries(request: Request) -> Response:
        """GET /v1/audit/entries?first=&count=: consecutive headers, then how many behind them cannot be read."""
        authorize(request, READ)
        first, count = _range(request)
        page = _page(log.stretches(first, count))
        return _json({"first": first, **page, "waiting": log.waiting()})

    def export(request: Request) -> Response:
        """GET /v1/audit/export?first=&count=: headers with inclusion proofs under the newest checkpoint.

        With &size=: the entries alone, under the checkpoint of that size. For the pages behind a first one, which
        shows the checkpoint: meanwhile the log may have grown.
        """
        authorize(request, READ)
        first, count = _range(request)
        return _json(_export(log, first, count, size=_number(request, "size", 0) or None))

    def payloads(request: Request) -> Response:
        """GET /v1/audit/payloads?first=&count=: whether the sealed payloads are those committed to."""
        authorize(request, READ)
        first, count = _range(request)
        found = log.contents(first, count)
        return _json({"opened": found.opened, "erased": found.erased, "wrong": found.wrong})

    def state(request: Request) -> Response:
        """GET /v1/audit/state: digests of every object as it stands and as it was recorded, and of the seals."""
        authorize(request, READ)
        found, objects = states.examine()
        return _json({"seal": found.problem, "objects": objects})

    return [
        Route("/v1/audit/payloads", payloads),
        Route("/v1/audit/state", state),
        Route("/v1/audit/entries", entries),
        Route("/v1/audit/export", export),
    ]


def _export(log: Log, first: int, count: int, *, size: int | None) -> dict[str, object]:
    proved = log.prove(first, count, size=size)
    if size is not None:
        return {"entries": entries_as_json(proved.entries)}
    return Export(log.key.text(), proved.checkpoint, first, len(proved.entries), proved.entries).as_json()


def _page(stretches: list[Stretch]) -> dict[str, object]:
    """One page: the headers up to the first damage, and the damage; the next page begins behind both."""
    headers: list[str] = []
    for stretch in stretches:
        headers += [base64.b64encode(header).decode() for header in stretch.headers]
        if stretch.problem:
            lost = stretch.count - len(stretch.headers)
            return {"entries": headers, "damaged": {"count": lost, "problem": stretch.problem}}
    return {"entries": headers, "damaged": None}


def _tile(path: str) -> tuple[int, int, int]:
    """(level, index, width; 0: as wide as it is) of a C2SP path or of `level/index`.

    The path of a full tile is answered with the partial one while it is not full: a verifier
    asks for what there is, and a partial tile is a prefix of the full one.
    """
    parts = path.split("/")
    if len(parts) == 2 and all(part.isascii() and part.isdigit() and len(part) <= _DIGITS for part in parts):  # noqa: PLR2004 - level, index
        return int(parts[0]), int(parts[1]), 0
    level, index, width = parse_path(f"tile/{path}")
    return level, index, width % WIDTH


def _range(request: Request) -> tuple[int, int]:
    """(first, count) of the entries that are asked for; no more than one page."""
    return _number(request, "first", 0), min(_number(request, "count", _MOST_ENTRIES), _MOST_ENTRIES)


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise Malformed(f"{name} is a whole number")
    return int(text)


def _json(body: dict[str, object]) -> Response:
    return Response(msgspec.json.encode(body), media_type="application/json")
