"""`/ssf/*`: what receivers of security event tokens read. The keys alone: nothing is streamed yet."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from remit.kernel.canonical import encode
from remit.keys.model import SetKeys

SSF_JWKS: Final = "/ssf/jwks"
_SHORT: Final = {"Cache-Control": "public, max-age=300"}
_NO_STORE: Final = {"Cache-Control": "no-store"}


def routes(keys: SetKeys) -> list[Route]:
    """The routes over these keys."""

    def jwks(_: Request) -> Response:
        """GET /ssf/jwks: the public keys that verify security event tokens, and no other."""
        found = keys.jwks()
        # Until the first key is made there is none: nobody is to remember that for five minutes.
        headers = _SHORT if found["keys"] else _NO_STORE
        return Response(encode(found), headers=headers, media_type="application/jwk-set+json")

    return [Route(SSF_JWKS, jwks, methods=["GET"])]
