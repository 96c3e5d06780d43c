"""The secret of an OAuth client, at an authorization server that lets two of them live at once.

The secrets are made, listed and deleted over the server's own API, written as for `http`, or by one URL:

    POST   SECRETS        {"label": MARK}  ->  {"id": ..., "client_secret": ...}
    GET    SECRETS        ->  [{"id": ..., "label": ...}, ...]
    DELETE SECRETS/ID

A new one is verified by a grant of client credentials (RFC 6749 section 4.4), as a call gets its token; the old one is
gone when the token endpoint does not know it any more (section 5.2).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

from remit.kernel.canonical import parse
from remit.kernel.errors import Malformed
from remit.vault.model import Material
from remit.vault.rotator import Answered, Plan, Refused, Send, Unclear
from remit.vault.rotators.http import Http
from remit.vault.rotators.http_settings import settings as http_settings
from remit.vault.rotators.request import request

_OWN: Final = frozenset({"token_url", "client_id", "scope", "client_auth", "secrets"})
_OK, _BAD, _UNAUTHORIZED = 200, 400, 401


@dataclass(frozen=True, slots=True)
class Grant:
    """How the client shows itself at its token endpoint. `basic`: in a header, else in the form."""

    token_url: str
    client_id: str
    scope: str
    basic: bool


@dataclass(frozen=True, slots=True)
class OauthClient:
    """Implements remit.vault.rotator.Rotator. `send`: the way out."""

    send: Send

    def propose(self, plan: Plan) -> Material | None:
        """As the requests say; most servers choose themselves."""
        return self._http.propose(_over_http(plan))

    async def create(self, plan: Plan, proposed: Material | None) -> Material:
        """A further secret of the client."""
        return await self._http.create(_over_http(plan), proposed)

    async def verify(self, plan: Plan, new: Material) -> None:
        """Get a token with it, which is thrown away."""
        answer = await self._granted(plan, new)
        if answer.status == _OK and isinstance(_said(answer).get("access_token"), str):
            return
        if answer.status in {_BAD, _UNAUTHORIZED} and isinstance(_said(answer).get("error"), str):
            raise Refused("the token endpoint gives no token for it")
        raise Unclear(f"the token endpoint answered {answer.status}")

    async def revoke(self, plan: Plan, old: Material) -> None:
        """Delete it."""
        await self._http.revoke(_over_http(plan), old)

    async def gone(self, plan: Plan, old: Material) -> bool:
        """Whether the token endpoint does not know it; what is left over is removed besides."""
        await self._http.tidy(_over_http(plan))
        answer = await self._granted(plan, old)
        if answer.status == _OK:
            return False
        if answer.status in {_BAD, _UNAUTHORIZED} and _said(answer).get("error") == "invalid_client":
            return True
        raise Unclear(f"the token endpoint answered {answer.status}")

    @property
    def _http(self) -> Http:
        return Http(self.send)

    async def _granted(self, plan: Plan, client: Material) -> Answered:
        how = grant(plan.settings)
        form = {"grant_type": "client_credentials"} | ({"scope": how.scope} if how.scope else {})
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if how.basic:  # RFC 6749 section 2.3.1: both are form-encoded before they become a user and a password
            pair = f"{quote_plus(how.client_id)}:{quote_plus(client.value.text())}"
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": how.client_id, "client_secret": client.value.text()}
        return await self.send("POST", how.token_url, headers, urlencode(form).encode())


def read(said: Mapping[str, Any]) -> None:
    """See that settings can be used.

    Raises:
        Malformed: They cannot.
    """
    grant(said)
    http_settings(over_http(said))


def grant(said: Mapping[str, Any]) -> Grant:
    """Read how the client shows itself.

    Raises:
        Malformed: Something is missing, or no such thing.
    """
    texts = {name: said.get(name, "") for name in ("token_url", "client_id", "scope")}
    if not all(isinstance(each, str) and each.isascii() for each in texts.values()) or not texts["client_id"]:
        raise Malformed("the oauth_client rotator has token_url and client_id")
    request({"method": "POST", "url": texts["token_url"]}, what="token_url", known=())
    method = said.get("client_auth", "basic")
    if method not in {"basic", "post"}:
        raise Malformed("client_auth is basic or post")
    return Grant(texts["token_url"], texts["client_id"], texts["scope"], method == "basic")


def over_http(said: Mapping[str, Any]) -> dict[str, Any]:
    """The requests to the API of secrets: those that are written, and those that one URL stands for. Pure."""
    own = {name: each for name, each in said.items() if name not in _OWN}
    url = said.get("secrets")
    # What verifies is the grant; the http rotator is never asked to.
    given: dict[str, Any] = {
        "verify": {"method": "GET", "url": said.get("token_url"), "headers": {"Unused": "{value}"}}
    }
    if isinstance(url, str):
        given |= {
            "create": {"method": "POST", "url": url, "body": {"label": "{mark}"}},
            "value_at": "/client_secret",
            "attributes_at": {"key_id": "/id"},
            "revoke": {"method": "DELETE", "url": f"{url}/{{key_id}}"},
            "leftovers": {"method": "GET", "url": url, "items": "", "label_at": "/label"},
        }
    return given | own


def _over_http(plan: Plan) -> Plan:
    return replace(plan, settings=over_http(plan.settings))


def _said(answer: Answered) -> dict[str, Any]:
    try:
        found = parse(answer.body)
    except Malformed:
        return {}
    return found if isinstance(found, dict) else {}
