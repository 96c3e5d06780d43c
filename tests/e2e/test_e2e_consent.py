"""A stock MCP client whose person consents in the browser: the SDK's own OAuth client against a real server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.exceptions import OAuthFlowError
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl
from tests.e2e import chromium
from tests.e2e.consenting import EDITOR, Person
from tests.e2e.running import PATIENCE, Home, Up, tree, upstream


class Listener:
    """The client's redirect listener: a real HTTP server on a port that the system chose."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.came = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if not self.path.startswith("/callback"):  # a browser asks for an icon too
                    self.send_error(404)
                    return
                outer.got.append(self.path)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"you may close this window")
                outer.came.set()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/callback"

    def answer(self) -> dict[str, str]:
        assert self.came.wait(PATIENCE)
        return {name: values[0] for name, values in parse_qs(urlsplit(self.got[-1]).query).items()}

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class Stored:
    """The stock client's storage: it was given its client_id, and keeps its tokens."""

    def __init__(self, base: str, listener: Listener) -> None:
        self.tokens: OAuthToken | None = None
        self.client = OAuthClientInformationFull(
            client_id="my-editor", redirect_uris=[AnyUrl(listener.uri)], token_endpoint_auth_method="none",
            issuer=base,
        )  # fmt: skip

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Estate:
    """A running Remit with one agent that an editor may act as, and the person who answers for it."""

    def __init__(self, home: Home, up: Up, listener: Listener) -> None:
        self.home, self.listener = home, listener
        self.base: str = up.ready["api"]
        self.url = f"{self.base}/mcp/payments"
        self.stored = Stored(self.base, listener)
        self.pages: list[str] = []

    def person(self, name: str) -> Person:
        person = Person(self.base)
        link = self.home.remit("console", "--as", name, "--json")
        assert link.code == 0, link.err
        person.sign_in(link.json["url"])
        return person

    def provider(self, person: Person, word: str) -> OAuthClientProvider:
        async def redirect(url: str) -> None:
            status, _, page = await asyncio.to_thread(person.open, url)
            assert status == 200, page
            self.pages.append(page)
            where = await asyncio.to_thread(person.answer, page, word)
            assert where.startswith(self.listener.uri)
            await asyncio.to_thread(person.open, where)

        async def callback() -> AuthorizationCodeResult:
            got = await asyncio.to_thread(self.listener.answer)
            if "error" in got:
                raise OAuthFlowError(got["error"])
            return AuthorizationCodeResult(code=got["code"], state=got.get("state"), iss=got.get("iss"))

        metadata = OAuthClientMetadata(
            redirect_uris=[AnyUrl(self.listener.uri)], grant_types=["authorization_code", "refresh_token"],
            response_types=["code"], token_endpoint_auth_method="none",
        )  # fmt: skip
        return OAuthClientProvider(
            server_url=self.url, client_metadata=metadata, storage=self.stored, redirect_handler=redirect,
            callback_handler=callback,
        )  # fmt: skip

    async def call(self, auth: OAuthClientProvider) -> str:
        async with (
            httpx2.AsyncClient(auth=auth, timeout=PATIENCE, trust_env=False) as http,
            Client(streamable_http_client(self.url, http_client=http), mode="auto") as client,
        ):
            result = await client.call_tool("list_invoices", {})
            return "".join(getattr(block, "text", "") for block in result.content)


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    home = Home(tmp_path / "home")
    home.path.mkdir()
    listener = Listener()
    with upstream("payments", tmp_path / "ledger") as port, home.up("--dev") as up:
        files = tree(tmp_path / "files", payments=port, **{"agents__invoice-bot": EDITOR})
        assert home.remit("secret", "set", "payments-key", stdin="demo-payments-key").code == 0
        applied = home.remit("apply", str(files), "--approve", "--as", "dana")
        assert applied.code == 0, applied.err
        yield Estate(home, up, listener)
    listener.close()


@pytest.mark.requirement("mcp:authorization-code")
@pytest.mark.requirement("authorize:iss")
def test_a_stock_client_acts_as_the_agent_once_its_owner_consents(estate: Estate) -> None:
    auth = estate.provider(estate.person("dana"), "yes")
    assert "INV-" in asyncio.run(estate.call(auth))
    (page,) = estate.pages
    for said in ("My editor", "my-editor", "invoice-bot", "pay-invoices", estate.url, "Until"):
        assert said in page
    assert "<script" not in page
    answer = estate.listener.answer()
    assert answer["iss"] == estate.base
    (consent,) = estate.home.remit("consent", "list", "--json").json["consents"]
    assert (consent["person"], consent["agent"], consent["client"]) == ("dana", "invoice-bot", "my-editor")
    assert (consent["state"], consent["resources"]) == ("given", [estate.url])

    # Its token is over: it renews by itself, with a refresh token that was not used before.
    first = estate.stored.tokens
    assert first is not None
    assert first.refresh_token is not None
    estate.stored.tokens = first.model_copy(update={"expires_in": -10})
    again = estate.provider(estate.person("dana"), "no")
    again.context.oauth_metadata = auth.context.oauth_metadata
    again.context.protected_resource_metadata = auth.context.protected_resource_metadata
    again.context.token_expiry_time = 1.0
    assert "INV-" in asyncio.run(estate.call(again))
    assert len(estate.pages) == 1  # nobody was asked again
    assert estate.stored.tokens is not None
    assert estate.stored.tokens.refresh_token not in (None, first.refresh_token)

    # Withdrawn: the live token is refused at the next call, and nothing renews it.
    done = estate.home.remit("consent", "withdraw", consent["consent"], "--as", "dana")
    assert done.code == 0, done.err
    assert "my-editor acts as invoice-bot no more" in done.err
    bearer = {"authorization": f"Bearer {estate.stored.tokens.access_token}", "content-type": "application/json"}
    answered = httpx2.post(estate.url, headers=bearer, json={}, trust_env=False)
    assert answered.status_code == 401
    refresh = {
        "grant_type": "refresh_token", "client_id": "my-editor", "refresh_token": estate.stored.tokens.refresh_token
    }  # fmt: skip
    refused = httpx2.post(f"{estate.base}/oauth2/token", data=refresh, trust_env=False)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")


def test_the_person_says_no(estate: Estate) -> None:
    with pytest.raises(Exception, match=r"access_denied|unhandled") as caught:
        asyncio.run(estate.call(estate.provider(estate.person("dana"), "no")))
    del caught
    answer = estate.listener.answer()
    assert (answer["error"], answer["iss"]) == ("access_denied", estate.base)
    assert "code" not in answer
    assert estate.home.remit("consent", "list", "--json").json["consents"] == []


def _query(estate: Estate) -> str:
    asked = {
        "client_id": "my-editor", "redirect_uri": estate.listener.uri, "response_type": "code", "state": "s",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256",
        "resource": estate.url,
    }  # fmt: skip
    return f"{estate.base}/oauth2/authorize?{urlencode(asked)}"


@pytest.mark.skipif(chromium.PROGRAM is None, reason="Chromium is not installed: apt-get install chromium")
def test_a_real_browser_follows_the_answer_to_the_client(estate: Estate, tmp_path: Path) -> None:
    """Through the page's own policy (`form-action`) and the strict cookie, from a sign-in in the same browser."""
    with chromium.browser(tmp_path / "chromium") as page:
        page.open(_query(estate))
        assert "You are not signed in" in page.until(lambda text: "sign" in text)
        page.open(estate.home.remit("console", "--as", "dana", "--json").json["url"])
        page.until(lambda text: "Agents" in text)
        page.open(_query(estate))
        text = page.until(lambda text: "may this client act" in text)
        assert "My editor" in text
        page.run("document.querySelector('button[value=yes]').click()")
        assert "you may close this window" in page.until(lambda text: "close this window" in text)
        assert not [each for each in page.said if "Content Security Policy" in each]
    answer = estate.listener.answer()
    assert (answer["state"], answer["iss"]) == ("s", estate.base)
    assert answer["code"].startswith("rmc_")


def test_who_does_not_answer_for_the_agent_is_not_asked(estate: Estate) -> None:
    files = estate.home.path / "mo"
    files.mkdir()
    (files / "owners.yaml").write_text("- {owner: mo, name: Mo Adeyemi, email: mo@example.test}\n", encoding="utf-8")
    assert estate.home.remit("apply", str(files)).code == 0
    url = _query(estate)
    status, headers, page = estate.person("mo").open(url)
    assert status == 403
    assert "owner or backup" in page
    assert "location" not in headers
    assert estate.person("lee").open(url)[0] == 200  # dana's backup
    status, _, page = Person(estate.base).open(url)
    assert status == 401
    assert "remit console" in page
    assert "invoice-bot" not in page
    assert estate.listener.got == []
