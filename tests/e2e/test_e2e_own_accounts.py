"""People lend their own accounts to agents that act for them: a real authorization server, and attacks."""

from __future__ import annotations

import http.client
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
import pytest
from tests.e2e.consenting import Person
from tests.e2e.peers import upstream
from tests.e2e.running import PATIENCE, Done, Home, Up, ok

from remit.sdk.auth import AgentAuth

HERE = Path(__file__).parent
SECRET = "the-clients-own-secret"
BACK = "/v1/secrets/mail-client/connected"


@dataclass
class Place:
    """Remit, the mail service behind it, and the people."""

    home: Home
    up: Up
    files: Path
    ledger: Path
    service: str
    signed_in: dict[str, Person] = field(default_factory=dict)

    @property
    def api(self) -> str:
        return str(self.up.ready["api"])

    def agent(self, name: str = "bot") -> httpx2.Client:
        auth = AgentAuth(self.api, name, self.files / "agents" / name, "work")
        return httpx2.Client(auth=auth, timeout=PATIENCE, trust_env=False)

    def mail(self, name: str = "bot", server: str = "mail") -> tuple[int, Any]:
        with self.agent(name) as client:
            answer = client.get(f"{self.api}/http/{server}/mail")
            return answer.status_code, answer.json()

    def remit(self, *words: str, code: int = 0, stdin: str | None = None) -> Done:
        return ok(self.home.remit(*words, stdin=stdin), code)

    def begin(self, person: str, client: str = "mail-client") -> str:
        """Where that person is sent."""
        return str(self.remit("secret", "connect", client, "--as", person, "--json").json["url"])

    def browser(self, person: str) -> Person:
        if person not in self.signed_in:
            self.signed_in[person] = Person(self.api)
            self.signed_in[person].sign_in(self.remit("console", "--as", person, "--json").json["url"])
        return self.signed_in[person]

    def answered(self, url: str, login: str, **more: str) -> str:
        """Where the mail service sends the browser back, once `login` has said yes."""
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=PATIENCE)
        connection.request("GET", f"{parts.path}?{parts.query}&{urlencode({'login': login, **more})}")
        answer = connection.getresponse()
        answer.read()
        connection.close()
        assert answer.status == 302, answer.status
        return str(answer.headers["Location"])

    def connect(self, person: str, login: str, client: str = "mail-client") -> str:
        back = self.answered(self.begin(person, client), login)
        status, _, page = self.browser(person).open(back)
        assert status == 200, page
        return page

    def got(self, key: str) -> list[str]:
        """What the mail service saw: the values of that kind of line."""
        lines = [json.loads(line) for line in self.ledger.read_text(encoding="utf-8").splitlines()]
        return [each[key] for each in lines if key in each]

    def forget(self, what: str = "") -> None:
        """The mail service ends its access tokens, or with `/all` the refresh tokens as well."""
        with httpx2.Client(trust_env=False) as client:
            assert client.post(f"{self.service}/forget{what}").status_code == 200


@pytest.fixture
def place(home: Home, tmp_path: Path) -> Iterator[Place]:
    ledger = tmp_path / "ledger"
    command = [sys.executable, str(HERE / "account_server.py"), str(ledger)]
    with upstream(command, os.environ, tmp_path / "service.log") as url, home.up("--dev") as up:
        found = Place(home, up, tmp_path / "files", ledger, url.removesuffix("/mcp"))
        for name, value in documents(found.service).items():
            path = found.files / f"{name}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(value), encoding="utf-8")
        for agent in ("bot", "lone"):
            found.remit("agent", "keygen", agent, "--out", str(found.files / "agents" / agent))
        for secret in ("mail-client", "strict-client"):
            found.remit("secret", "set", secret, stdin=SECRET)
        found.remit("apply", str(found.files), "--approve", "--as", "dana")
        found.remit("apply", str(found.files), "--approve", "--as", "lee")
        yield found


def documents(service: str) -> dict[str, Any]:
    """`bot` is dana's, `lone` is lee's; on `mail` an owner stands in for nobody, on `strict` nobody does."""
    user = {
        "authorize_url": f"{service}/authorize", "token_url": f"{service}/token", "revoke_url": f"{service}/revoke",
        "client_id": "remit", "scope": "mail", "issuer": service,
    }  # fmt: skip
    found: dict[str, Any] = {
        "owners": [
            {"owner": "dana", "name": "Dana Reyes", "email": "dana@example.test", "backup": ["lee"]},
            {"owner": "lee", "name": "Lee Okafor", "email": "lee@example.test", "backup": ["dana"]},
        ],
        "purposes/work": {
            "purpose": "work", "statement": "Read mail", "actions": ["mail:GET /mail", "strict:GET /mail"],
            "data_classes": [], "not_after": "2029-12-31",
        },
    }  # fmt: skip
    for server, more in (("mail", {"otherwise": "owner"}), ("strict", {})):
        found[f"servers/{server}"] = {
            "server": server, "kind": "http", "url": service, "operations": {"GET /mail": {"tier": "low"}},
            "credential": {"secret": f"{server}-client", "inject": {"oauth_user": user | more}},
        }  # fmt: skip
    for agent, owner in (("bot", "dana"), ("lone", "lee")):
        found[f"agents/{agent}"] = {
            "agent": agent, "owner": owner, "version": "1", "purposes": ["work"], "not_after": "2029-12-31",
            "max_run": "8h", "max_instances": 60, "attest": [{"private_key_jwt": {"jwk_file": f"{agent}.pub.jwk"}}],
        }  # fmt: skip
        found[f"boundaries/{agent}"] = {
            "boundary": agent, "agent": agent, "purpose": "work", "not_after": "2029-12-31",
            "allow": [{"action": "mail:GET /mail"}, {"action": "strict:GET /mail"}],
        }  # fmt: skip
    return found


def refused(said: tuple[int, Any]) -> str:
    """The title of a denial that says that a person has to do something."""
    status, body = said
    assert (status, body["code"], body["retryable"]) == (403, "step_up_required", False), body
    return str(body["title"])


def test_an_agent_acts_with_the_account_of_the_person_behind_it(place: Place) -> None:
    assert refused(place.mail()) == "dana must connect their own account"
    assert place.got("called") == []
    page = place.connect("dana", "dana.reyes")
    assert "Connected, as dana" in page
    place.connect("lee", "lee.okafor")
    assert place.mail() == (200, {"user": "dana.reyes"})
    assert place.mail("lone") == (200, {"user": "lee.okafor"})
    assert refused(place.mail(server="strict")) == "no person stands behind this call"
    listed = place.remit("secret", "list", "--json")
    (row,) = (each for each in listed.json["secrets"] if each["secret"] == "mail-client")
    assert [(each["person"], each["state"], each["scope"]) for each in row["people"]] == [
        ("dana", "live", "mail"), ("lee", "live", "mail")
    ]  # fmt: skip
    done = place.remit("secret", "disconnect", "mail-client", "--as", "dana")
    assert (done.out, done.err.strip()) == (
        "disconnected: dana from mail-client\n",
        "the other system has ended it too",
    )
    assert place.got("revoked") == ["dana.reyes"]
    assert refused(place.mail()) == "dana must connect their own account"
    assert place.mail("lone") == (200, {"user": "lee.okafor"})  # hers alone is over
    place.remit("secret", "disconnect", "mail-client", "--as", "dana", code=2)
    place.remit("audit", "verify")


def test_fifty_calls_at_once_refresh_once_and_each_refresh_token_is_used_once(place: Place) -> None:
    place.connect("dana", "dana.reyes")
    with place.agent() as client, ThreadPoolExecutor(50) as pool:
        client.get(f"{place.api}/v1/me")  # one token for all of them

        def fifty() -> Counter[int]:
            calls = pool.map(lambda _: client.get(f"{place.api}/http/mail/mail").status_code, range(50))
            return Counter(calls)

        assert fifty() == {200: 50}
        assert place.got("grant") == ["authorization_code", "refresh_token"]
        # What the service takes no more: young, its word stands; and nobody asks again and again.
        place.forget()
        assert fifty() == {401: 50}
        assert place.got("grant") == ["authorization_code", "refresh_token"]
    assert place.got("refused") == []


def test_what_the_other_system_ended_is_ended_here_until_it_is_connected_again(place: Place) -> None:
    place.connect("dana", "dana.reyes")
    place.forget("/all")
    assert refused(place.mail()) == "dana must connect their own account again"
    assert place.got("refused") == ["refresh_token"]
    assert refused(place.mail()) == "dana must connect their own account again"
    assert place.got("refused") == ["refresh_token"], "it was not asked again"
    assert "dana (ended)" in place.remit("secret", "list").out
    place.connect("dana", "dana.reyes")
    assert place.mail() == (200, {"user": "dana.reyes"})


def test_it_outlives_a_restart_and_nothing_of_it_is_stored_in_clear(place: Place, tmp_path: Path) -> None:
    place.connect("dana", "dana.reyes")
    assert place.mail() == (200, {"user": "dana.reyes"})
    assert place.up.end() == 0
    with place.home.up("--dev") as again:
        place.up = again
        assert place.mail() == (200, {"user": "dana.reyes"})
    assert place.got("grant") == ["authorization_code", "refresh_token", "refresh_token"]
    assert place.got("refused") == [], "each time the newest refresh token, which was stored before"


def nothing(place: Place, page: tuple[int, dict[str, str], str], says: str) -> None:
    """See that nothing came of it."""
    assert page[0] == 400, page
    assert says in page[2], page[2]
    (row,) = (
        each for each in place.remit("secret", "list", "--json").json["secrets"] if each["secret"] == "mail-client"
    )
    assert row["people"] == []
    assert place.got("grant") == [], "no code was redeemed"


def test_another_persons_answer_is_refused_and_used_up(place: Place) -> None:
    """Lee asks, and dana is brought to say yes: her account would be lent to lee's agents."""
    place.ledger.touch()
    back = place.answered(place.begin("lee"), "dana.reyes")
    nothing(place, place.browser("dana").open(back), "somebody else asked")
    nothing(place, place.browser("lee").open(back), "answered before")


def test_who_is_not_signed_in_lends_nothing(place: Place) -> None:
    place.ledger.touch()
    back = place.answered(place.begin("dana"), "dana.reyes")
    status, _, page = Person(place.api).open(back)
    assert (status, "remit console" in page, place.got("grant")) == (401, True, [])
    assert place.browser("dana").open(back)[0] == 200  # once she is, it goes on


def test_an_answer_counts_once(place: Place) -> None:
    back = place.answered(place.begin("dana"), "dana.reyes")
    assert place.browser("dana").open(back)[0] == 200
    status, _, page = place.browser("dana").open(back)
    assert (status, "answered before" in page) == (400, True)
    # The code in an answer that was asked for anew.
    spent = dict(parse_qsl(urlsplit(back).query))["code"]
    fresh = dict(parse_qsl(urlsplit(place.begin("dana")).query))["state"]
    replayed = urlencode({"code": spent, "state": fresh, "iss": place.service})
    status, _, page = place.browser("dana").open(f"{place.api}{BACK}?{replayed}")
    assert (status, "not taken any more" in page) == (400, True), page
    assert place.got("grant") == ["authorization_code"]


@pytest.mark.parametrize("iss", ["http://127.0.0.1:1", "", None])
def test_an_answer_of_another_issuer_is_refused(place: Place, iss: str | None) -> None:
    place.ledger.touch()
    back = urlsplit(place.answered(place.begin("dana"), "dana.reyes"))
    said = {name: value for name, value in parse_qsl(back.query) if name != "iss"} | (
        {} if iss is None else {"iss": iss}
    )
    nothing(place, place.browser("dana").open(back._replace(query=urlencode(said)).geturl()), "authorization server")


def test_an_answer_at_another_secrets_address_is_refused(place: Place) -> None:
    place.ledger.touch()
    back = place.answered(place.begin("dana"), "dana.reyes").replace("mail-client", "strict-client")
    nothing(place, place.browser("dana").open(back), "another secret")


def test_where_it_leads_is_not_the_requests_to_say(place: Place) -> None:
    place.ledger.touch()
    url = place.begin("dana")
    asked = dict(parse_qsl(urlsplit(url).query))
    assert asked["redirect_uri"] == place.api + BACK
    assert (asked["code_challenge_method"], len(asked["code_challenge"]), "login" in asked) == ("S256", 43, False)
    twice = f"{place.answered(url, 'dana.reyes')}&code=x"
    nothing(place, place.browser("dana").open(twice), "twice")
    for path in ("%0d%0aLocation:%20http:%2f%2fevil.test", "A", "..", "%2f%2fevil.test"):
        status, headers, _ = Person(place.api).open(f"{place.api}/v1/secrets/{path}/connected?state=x")
        assert (status in {400, 404}, "location" in headers) == (True, False), path


def test_a_no_is_a_no(place: Place) -> None:
    place.ledger.touch()
    back = place.answered(place.begin("dana"), "dana.reyes", answer="no")
    nothing(place, place.browser("dana").open(back), "access_denied")


def test_an_agent_and_the_admin_token_lend_nothing_and_see_nothing(place: Place) -> None:
    place.connect("dana", "dana.reyes")
    answers = []
    with place.agent() as client, httpx2.Client(trust_env=False) as nobody:
        for method, path in (
            ("POST", "/v1/secrets/mail-client/connect"), ("GET", "/v1/secrets"),
            ("DELETE", "/v1/secrets/mail-client/connections/dana"),
            ("GET", "/console/connected/mail-client?state=x&code=y"),
        ):  # fmt: skip
            answers += [each.request(method, place.api + path) for each in (client, nobody)]
    assert {each.status_code for each in answers} == {401}
    assert not any("dana" in each.text for each in answers)
    assert "a person" in place.remit("secret", "connect", "mail-client", code=6).err
    place.remit("secret", "connect", "nowhere", "--as", "lee", code=2)
    place.remit(
        "secret", "disconnect", "mail-client", "--person", "dana"
    )  # but it may take one away: nothing is gained by that
