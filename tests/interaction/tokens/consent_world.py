"""A world of tokens with people in it: the pages, the two grants, a client with a document and one without."""

from __future__ import annotations

import html
import re
from collections.abc import Collection
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
from sqlalchemy import Connection
from starlette.applications import Starlette
from starlette.testclient import TestClient

from remit.agents.binding import Binding
from remit.agents.bindings.client_metadata import METHOD, client_of
from remit.agents.model import SenderConstraint
from remit.attestation.service import PrivateKeyJwt
from remit.console.consent import ConsentPages
from remit.console.paths import AUTHORIZE
from remit.console.sessions import Sessions
from remit.kernel.canonical import encode
from remit.kernel.errors import Unauthenticated
from remit.keys.base64url import digest
from remit.outbound.fetch import Fetched
from remit.outbound.model import Endpoint, OutboundFailed
from remit.people.change import Actor
from remit.tokens.authorizing import Authorizing
from remit.tokens.check import TokenChecker
from remit.tokens.clients.client_metadata import ConsentedClient
from remit.tokens.clients.documents import Documents
from remit.tokens.consents import Consents
from remit.tokens.grants.authorization_code import AuthorizationCode
from remit.tokens.grants.consented import Consenting
from remit.tokens.grants.refresh_token import RefreshToken
from remit.tokens.http import routes, status_routes
from remit.tokens.model import AgentStanding
from remit.tokens.refusals import Refusals
from remit.tokens.revoked import Revoked
from remit.tokens.service import TokenService
from remit.tokens.status import TokenStatus

EDITOR, BACK = "my-editor", "http://127.0.0.1/callback"
PORTED = "http://127.0.0.1:50123/callback"
URL = "https://client.example/metadata.json"
WEB = "https://client.example/callback"
TOOLS = "http://remit.test/mcp/payments"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"  # RFC 7636 appendix B
DESCRIBED = Binding(METHOD, {"client_id": EDITOR, "redirect_uris": [BACK], "name": "My editor"})
DOCUMENTED = Binding(METHOD, {"url": URL})


class Shelf:
    """Implements remit.outbound.fetch.Fetch with what stands here; counts how often it is asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Fetched] = {}
        self.asked: list[str] = []

    def put(self, url: str, body: Any, media_type: str = "application/json") -> None:
        self.answers[url] = Fetched(body if isinstance(body, bytes) else encode(body), media_type)

    def get(self, url: str, *, own: Collection[Endpoint] = ()) -> Fetched:
        assert not own
        self.asked.append(url)
        if url not in self.answers:
            raise OutboundFailed("the server could not be reached", sent=False)
        return self.answers[url]


class OnePoint:
    """Implements remit.tokens.ports.EnforcementPoints."""

    def point(self, authorization: str | None) -> object:
        if authorization != "Bearer rmp_edge":
            raise Unauthenticated("this token is not known here")
        return "edge"


def document(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "client_id": URL,
        "client_name": "Example client",
        "redirect_uris": [WEB, BACK],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    } | changes
    return {name: value for name, value in found.items() if value is not None}


class ConsentWorld:
    """Over a token world: editor-bot (dana's, bearer) lets both clients in, keyed-bot (DPoP) the described one."""

    def __init__(self, world: Any) -> None:
        self.world, self.shelf = world, Shelf()
        self.answering: dict[str, set[str]] = {"editor-bot": {"dana", "lee"}, "keyed-bot": {"kim"}}
        self.register("editor-bot", sender_constraint=SenderConstraint.NONE, bindings=(DESCRIBED, DOCUMENTED))
        self.register("keyed-bot", bindings=(DESCRIBED,))
        self.shelf.put(URL, document())
        database = world.database
        self.records = world.service._records
        self.revoked = Revoked(world.clock)
        database.reader.read(self.revoked.reload)
        database.feed.subscribe(self._follow)
        world.checker = self.checker = TokenChecker(world.ring.token_keys, issuer=world.base, revoked=self._revoked)
        self.documents = Documents(self.shelf, world.clock)
        self.authorizing = Authorizing(
            issuer=world.base, registered=self.registered, documents=self.documents, writer=database.writer,
            records=self.records, refusals=Refusals(database.writer, self.records), clock=world.clock,
        )  # fmt: skip
        self.consents = Consents(
            writer=database.writer, reader=database.reader, records=self.records, clock=world.clock
        )
        self.gone: set[str] = set()  # whose tokens were revoked
        self.sessions = Sessions(world.clock.now, lambda person: person not in self.gone)
        self.service = world.service = self.serve()
        pages = ConsentPages(
            sessions=self.sessions, authorizing=self.authorizing, consents=self.consents,
            actor=lambda person: Actor(by=person), may=lambda person, agent: person in self.answers_for(agent),
            withdraw=self._withdraw,
            clock=world.clock,
        )  # fmt: skip
        status = TokenStatus(
            tokens=self.service, checker=self.checker, points=OnePoint(), standing=world.standing,
            writer=database.writer, records=self.records, clock=world.clock,
        )  # fmt: skip
        self.app = Starlette(
            routes=[*routes(self.service, consent_page=AUTHORIZE), *status_routes(status), *pages.routes()]
        )

    def serve(self) -> TokenService:
        """Another service over the same database, as a second node has."""
        world = self.world
        parts = Consenting(world.standing, world.base, self.answers_for)
        signed = PrivateKeyJwt(self.documents, issuer=world.base)
        clients = [
            ConsentedClient(
                reader=world.database.reader, documents=self.documents, signed=signed, standing=world.standing,
                presented=self._presented, signing=signing,
            )
            for signing in (False, True)
        ]  # fmt: skip
        return TokenService(
            issuer=world.base, keys=world.ring.token_keys, standing=world.standing, writer=world.database.writer,
            records=self.records, clock=world.clock, clients=clients,
            grants=[AuthorizationCode(parts, self.records), RefreshToken(parts, self.records)],
        )  # fmt: skip

    def _follow(self, epoch: int, topics: tuple[str, ...], connection: Connection) -> None:
        self.revoked.follow(epoch, topics, connection)

    def _withdraw(self, person: str, consent: str) -> None:
        self.consents.withdraw(consent, by=Actor(by=person))

    def _revoked(self, token: str) -> bool:
        """Asked of the newest start's."""
        return self.revoked.has(token)

    def _presented(self, token: str, now: Any) -> Any:
        found = self.checker.read(token, now=now)
        return None if found is None else found.caller

    def register(self, name: str, *purposes: str, **changes: Any) -> None:
        key = self.world.client_key
        found = self.world.agent(name, key, *(purposes or ("pay-invoices",)), keys=(), max_instances=20, **changes)
        self.world.register(found)

    def answers_for(self, agent: str) -> set[str]:
        return self.answering.get(agent, set())

    def registered(self, client: str) -> list[AgentStanding]:
        every = self.world.standing.agents.values()
        return [each for each in every if any(client_of(binding) == client for binding in each.agent.bindings)]

    # the browser --------------------------------------------------------------------------------

    def query(self, **changes: Any) -> dict[str, Any]:
        found: dict[str, Any] = {
            "response_type": "code",
            "client_id": EDITOR,
            "redirect_uri": PORTED,
            "code_challenge": digest(VERIFIER.encode()),
            "code_challenge_method": "S256",
            "state": "af0ifjsldkj",
            "scope": "purpose:pay-invoices",
            "resource": TOOLS,
        } | changes
        return {name: value for name, value in found.items() if value is not None}

    def browser(self, person: str | None = "dana") -> TestClient:
        client = TestClient(self.app, base_url=self.world.base, follow_redirects=False)
        if person is not None:
            cookie = self.sessions.redeem(self.sessions.link(person))
            client.cookies.set("remit_session", cookie or "", path="/console")
        return client

    def ask(self, query: Any = None, *, person: str | None = "dana", **changes: Any) -> httpx2.Response:
        """Open the authorization endpoint; where it leads on this server is followed."""
        client = self.browser(person)
        sent = query if isinstance(query, str) else urlencode(self.query(**changes), doseq=True)
        first = client.get(f"/oauth2/authorize?{sent}")
        assert first.status_code == 303, first.text
        where = first.headers["location"]
        assert where.startswith(f"{self.world.base}{AUTHORIZE}?")
        return client.get(where.removeprefix(self.world.base))

    def press(self, page: httpx2.Response, word: str = "yes", *, person: str = "dana", **changes: Any) -> Any:
        """Press a button of a page, in a new session whose word is put in its place."""
        assert page.status_code == 200, page.text
        client = self.browser(person)
        session = self.sessions.find(client.cookies.get("remit_session"))
        assert session is not None
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text))
        form = {name: html.unescape(value) for name, value in hidden.items()}
        form = form | {"answer": word, "csrf": session.csrf} | changes
        return client.post(AUTHORIZE, data={name: value for name, value in form.items() if value is not None})

    def returned(self, answer: httpx2.Response, redirect: str = PORTED) -> dict[str, str]:
        """What the client is told."""
        assert answer.status_code == 303, answer.text
        where = answer.headers["location"]
        assert where.startswith(redirect + "?"), where
        return {name: values[0] for name, values in parse_qs(urlsplit(where).query).items()}

    def code(self, *, person: str = "dana", **changes: Any) -> str:
        redirect = changes.get("redirect_uri", PORTED)
        answer = self.press(self.ask(person=person, **changes), person=person)
        return self.returned(answer, redirect)["code"]

    # the client ---------------------------------------------------------------------------------

    def redeem(self, code: str, *, proof: str | None = None, **changes: Any) -> httpx2.Response:
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": PORTED, "client_id": EDITOR,
            "code_verifier": VERIFIER,
        }  # fmt: skip
        return self.post("/oauth2/token", form | changes, proof=proof)

    def renew(self, token: str, *, proof: str | None = None, **changes: Any) -> httpx2.Response:
        form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": EDITOR}
        return self.post("/oauth2/token", form | changes, proof=proof)

    def post(self, path: str, form: dict[str, Any], *, proof: str | None = None, **headers: str) -> httpx2.Response:
        sent = {"content-type": "application/x-www-form-urlencoded", **headers} | ({"dpop": proof} if proof else {})
        body = urlencode({name: value for name, value in form.items() if value is not None}, doseq=True)
        return TestClient(self.app, base_url=self.world.base).post(path, content=body, headers=sent)

    def tokens(self, **changes: Any) -> dict[str, Any]:
        answer = self.redeem(self.code(**changes))
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def good(self, token: str) -> bool:
        """Whether the payments gateway takes a bearer token."""
        try:
            self.world.check(token, scheme="Bearer", proof=None)
        except Unauthenticated:
            return False
        return True

    def entries(self, kind: str, **said: Any) -> list[dict[str, Any]]:
        found = self.world.entries(kind)
        return [each for each in found if all(each.get(name) == value for name, value in said.items())]

    def change(self, agent: str, **changes: Any) -> None:
        self.world.change(agent, **{f"agent_{name}": value for name, value in changes.items()})
