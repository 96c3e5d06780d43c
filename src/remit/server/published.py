"""What anybody may read of this server, without a token: what each code means, and the API's description."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from remit.kernel.errors import NotFound
from remit.server.app import ERRORS
from remit.server.door import Door
from remit.server.openapi import document

DESCRIPTION: Final = "/openapi.json"
_SUFFIX: Final = ".md"
# Shown as they are: a browser makes nothing of them, and keeps them for as long as this version may last.
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "public, max-age=300",
}


def routes(doors: Iterable[Door]) -> list[Route]:
    """A page for each code, and the description of an API with these doors."""
    description = json.dumps(document(doors), ensure_ascii=False).encode()

    def page(request: Request) -> Response:
        """GET /errors/{code}: 200, 404."""
        # Looked up among what was read at the start: what the path says never becomes a file's name.
        found = pages().get(request.path_params["code"])
        if found is None:
            raise NotFound("there is no such code")
        return Response(found, headers=_HEADERS, media_type="text/plain")

    def described(_: Request) -> Response:
        """GET /openapi.json: 200."""
        return Response(description, headers=_HEADERS, media_type="application/json")

    pages()
    return [Route(ERRORS + "/{code}", page, methods=["GET"]), Route(DESCRIPTION, described, methods=["GET"])]


@cache
def pages() -> Mapping[str, str]:
    """The page of each code, as Markdown."""
    return {
        each.name.removesuffix(_SUFFIX): each.read_text(encoding="utf-8")
        for each in _folder().iterdir()
        if each.name.endswith(_SUFFIX) and each.name.islower()  # README.md is for those who read the repository
    }


def _folder() -> Traversable:
    """Where the pages are: a wheel brings them beside this module, a checkout has them under `docs`."""
    packed = files("remit.server") / "errors"
    return packed if packed.is_dir() else Path(__file__).parents[3] / "docs" / "errors"
