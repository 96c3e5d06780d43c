"""Encrypted tokens that cost whoever opens them: a zip bomb, and a key derivation of two thousand million rounds.

joserfc CVE-2026-27932, python-jose CVE-2024-33664. Nothing here is encrypted, so no door takes such a thing in: it is
refused by its form, before a byte of it is decoded. What would be costly is watched, and is never begun.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from remit.kernel import canonical
from remit.tokens.check import TokenInvalid
from remit.tokens.grants import jwt_bearer

TOOLS_URL = "http://remit.test/mcp/payments"
BOMB = zlib.compress(b"\0" * 50_000_000, 9)[2:-4]  # raw deflate: about 49 KB for 50 MB
SMALL_BOMB = zlib.compress(b"\0" * 4_000_000, 9)[2:-4]  # fits within every limit on length

HEADERS = {
    "zip": {"alg": "dir", "enc": "A256GCM", "zip": "DEF"},
    "pbes2": {"alg": "PBES2-HS256+A128KW", "enc": "A128CBC-HS256", "p2s": "c2FsdHNhbHQ", "p2c": 2_000_000_000},
    "rsa": {"alg": "RSA-OAEP", "enc": "A256GCM", "zip": "DEF"},
}


def five(world: Any, header: dict[str, Any], content: bytes) -> str:
    """A JWE in compact form."""
    parts = [json.dumps(header).encode(), b"key", b"iv" * 6, content, b"t" * 16]
    return ".".join(world.b64(part) for part in parts)


def three(world: Any, header: dict[str, Any], content: bytes) -> str:
    """The same dressed up as a signed token."""
    return ".".join(world.b64(part) for part in (json.dumps({**header, "typ": "at+jwt"}).encode(), content, b"s" * 64))


@pytest.fixture
def untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever inflates or derives ends the test; nothing as long as that is parsed as JSON either."""

    def never(*_: object, **__: object) -> Any:
        raise AssertionError("it was begun")

    for where, name in ((zlib, "decompress"), (zlib, "decompressobj"), (hashlib, "pbkdf2_hmac")):
        monkeypatch.setattr(where, name, never)
    monkeypatch.setattr(PBKDF2HMAC, "derive", never, raising=False)
    parsed: Callable[..., Any] = canonical.parse

    def short(text: Any, **given: Any) -> Any:
        assert len(text) < 16_384
        return parsed(text, **given)

    monkeypatch.setattr(canonical, "parse", short)


FORMS = [(name, made) for name in HEADERS for made in (five, three)]
CONTENTS = [pytest.param(BOMB, id="long"), pytest.param(SMALL_BOMB, id="short")]


@pytest.mark.parametrize(("kind", "made"), FORMS)
@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.requirement("jose:encrypted")
@pytest.mark.usefixtures("untouched")
def test_as_an_access_token(world: Any, resource: Any, kind: str, made: Any, content: bytes) -> None:
    token = made(world, HEADERS[kind], content)
    with pytest.raises(TokenInvalid) as caught:
        world.check(token, scheme="Bearer", proof=None)
    assert caught.value.error == "invalid_token"
    with pytest.MonkeyPatch.context() as restored:
        restored.setattr(zlib, "decompressobj", _DECOMPRESSOBJ)  # the log is read in between
        resource.refuses(token, scheme="Bearer", proof=None)


@pytest.mark.parametrize(("kind", "made"), FORMS)
@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.requirement("jose:encrypted")
@pytest.mark.usefixtures("untouched")
def test_as_a_client_assertion(world: Any, kind: str, made: Any, content: bytes) -> None:
    assertion = made(world, HEADERS[kind], content)
    answer = world.post(world.form(client_assertion=assertion))
    # Over 64 KiB the form itself is too large: refused before it is read at all.
    expected = (413, "invalid_request") if answer.status_code == 413 else (401, "invalid_client")
    assert (answer.status_code, answer.json()["error"]) == expected
    entries = told(world, "refused")
    assert len(entries) == 1
    assert entries[0]["error"] == expected[1]
    assert entries[0]["reason"]
    assert "agent" not in entries[0]


@pytest.mark.parametrize(("kind", "made"), FORMS)
@pytest.mark.requirement("jose:encrypted")
@pytest.mark.usefixtures("untouched")
def test_as_a_proof(world: Any, kind: str, made: Any) -> None:
    answer = world.post(proof=made(world, HEADERS[kind], SMALL_BOMB))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")
    (entry,) = told(world, "refused")
    assert (entry["error"], entry["agent"]) == ("invalid_dpop_proof", "invoice-bot")


@pytest.mark.parametrize(("kind", "made"), FORMS)
@pytest.mark.requirement("jose:encrypted")
@pytest.mark.requirement("jwt-bearer:errors")
@pytest.mark.usefixtures("untouched")
def test_as_an_authorization_assertion(world: Any, kind: str, made: Any) -> None:
    class Nobody:
        def of_issuer(self, _issuer: str) -> None:
            return None

    grant = jwt_bearer.JwtBearer(world.standing, world.base, Nobody(), None, None)  # type: ignore[arg-type] # never asked
    world.service.grants[grant.type] = grant
    answer = world.post(world.form(grant_type=grant.type, assertion=made(world, HEADERS[kind], SMALL_BOMB)))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    (entry,) = told(world, "refused")
    assert (entry["error"], entry["agent"]) == ("invalid_grant", "invoice-bot")


def test_the_bombs_are_bombs() -> None:
    assert len(BOMB) < 64_000
    assert len(zlib.decompress(BOMB, -15)) == 50_000_000
    assert len(SMALL_BOMB) < 4_096


def told(world: Any, kind: str) -> list[dict[str, Any]]:
    """The log, which is compressed itself, is read without the watch."""
    with pytest.MonkeyPatch.context() as restored:
        restored.setattr(zlib, "decompressobj", _DECOMPRESSOBJ)
        found: list[dict[str, Any]] = world.entries(kind)
        return found


_DECOMPRESSOBJ = zlib.decompressobj
