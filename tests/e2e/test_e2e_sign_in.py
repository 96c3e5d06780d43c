"""People sign in to the console at a provider: the way there and back, and everything that is no answer to it."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from tests.e2e import chromium
from tests.e2e.issuers import CLIENT, Claims, Issuer, issuer
from tests.e2e.running import Home, Up, ok
from tests.e2e.signing_in import Visitor, written

SAM = {"sub": "s-1", "email": "sam@example.test", "email_verified": True, "groups": ["safety", "unknown"]}


@dataclass
class Place:
    """A Remit and its provider."""

    home: Home
    up: Up
    issuer: Issuer
    visitors: list[Visitor] = field(default_factory=list)

    def visitor(self) -> Visitor:
        self.visitors.append(Visitor(self.up.ready["api"]))
        return self.visitors[-1]

    def refusals(self) -> list[dict[str, Any]]:
        found = ok(self.home.remit("audit", "tail", "--count", "1000", "--json")).json["entries"]
        return [each for each in found if each["kind"] == "refused"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    home = Home(tmp_path_factory.mktemp("home"))
    with issuer() as provider, home.up("--dev", "--sign-in", written(home.path / "idp", provider.url)) as up:
        yield Place(home, up, provider)


@pytest.fixture(autouse=True)
def unbent(place: Place) -> Iterator[None]:
    """Every test begins with an honest provider."""
    place.issuer.claims, place.issuer.bend, place.issuer.sign = dict(SAM), lambda said: said, None
    place.issuer.answer = lambda said: said
    yield
    while place.visitors:
        place.visitors.pop().http.close()


def test_a_person_signs_in_and_comes_to_the_page_that_they_wanted(place: Place) -> None:
    sam = place.visitor()
    wanted = sam.get("/console/log?q=freeze")
    assert wanted.status_code == 401
    assert "Sign in with Example" in wanted.text
    assert "/console/sign-in?then=%2Fconsole%2Flog%3Fq%3Dfreeze" in wanted.text
    start = sam.get("/console/sign-in?then=%2Fconsole%2Flog%3Fq%3Dfreeze")
    cookie = start.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/console/sign-in" in cookie
    asked = dict(parse_qsl(urlsplit(start.headers["location"]).query))
    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    assert "prompt" not in asked
    back = sam.get(str(sam.get(start.headers["location"]).headers["location"]))
    assert back.status_code == 200
    assert '<meta http-equiv="refresh" content="0; url=/console/log?q=freeze">' in back.text
    assert "samesite=strict" in str(back.headers.get_list("set-cookie")).lower()
    page = sam.get("/console/log?q=freeze")
    assert page.status_code == 200
    assert '<span class="who">sam</span>' in page.text
    settings = sam.text("/console/settings")
    assert place.issuer.url in settings
    assert "only-of-this-test" not in settings


def test_a_role_of_the_providers_groups_is_what_cedar_judges(place: Place) -> None:
    place.issuer.claims["groups"] = "staff"
    vera = place.visitor()
    assert vera.sign_in().status_code == 200
    refused = vera.post("/console/freeze", csrf=vera.csrf(), kind="server", name="payments")
    assert refused.status_code == 403
    assert "sam may not freeze this" in refused.text


def test_signing_out_ends_it_here_and_says_where_it_ends_there(place: Place) -> None:
    sam = place.visitor()
    sam.sign_in()
    out = sam.post("/console/sign-out", csrf=sam.csrf())
    assert f"{place.issuer.url}/end?client_id={CLIENT}" in out.text
    assert sam.get("/console").status_code == 401


def unsigned(claims: Claims) -> str:
    parts = [json.dumps(each).encode() for each in ({"alg": "none", "kid": "one"}, claims)]
    return ".".join([*(urlsafe_b64encode(each).rstrip(b"=").decode() for each in parts), ""])


OTHER = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
NOW = int(time.time())
BENT: dict[str, Callable[[Claims], Claims]] = {
    "nonce": lambda said: said | {"nonce": "another"},
    "no nonce": lambda said: {name: value for name, value in said.items() if name != "nonce"},
    "iss": lambda said: said | {"iss": "https://elsewhere.example"},
    "aud": lambda said: said | {"aud": "another-client"},
    "aud of two": lambda said: said | {"aud": [CLIENT, "another-client"], "azp": CLIENT},
    "azp": lambda said: said | {"azp": "another-client"},
    "expired": lambda said: said | {"exp": NOW - 1, "iat": NOW - 300},
    "no exp": lambda said: {name: value for name, value in said.items() if name != "exp"},
    "old iat": lambda said: said | {"iat": NOW - 3600, "exp": NOW + 3600},
    "future iat": lambda said: said | {"iat": NOW + 3600, "exp": NOW + 7200},
    "no iat": lambda said: {name: value for name, value in said.items() if name != "iat"},
    "nbf": lambda said: said | {"nbf": NOW + 3600},
    "future auth_time": lambda said: said | {"auth_time": NOW + 3600},
    "no sub": lambda said: {name: value for name, value in said.items() if name != "sub"},
}


@pytest.mark.parametrize("wrong", sorted(BENT))
def test_an_id_token_that_is_not_the_answer_signs_nobody_in(place: Place, wrong: str) -> None:
    place.issuer.bend = BENT[wrong]
    refuses(place, 401)


def refuses(place: Place, status: int) -> str:
    """Signing in is refused, recorded, and nobody is in."""
    visitor, before = place.visitor(), len(place.refusals())
    back = visitor.sign_in()
    assert back.status_code == status, back.text
    assert visitor.http.cookies.get("remit_session") is None
    assert visitor.get("/console").status_code == 401
    assert len(place.refusals()) == before + 1
    return str(back.text)


@pytest.mark.parametrize(
    "how", ["none", "HS256 with the public key", "another key", "RS512", "no kid", "at+jwt", "text"]
)
def test_a_signature_that_is_not_the_providers_signs_nobody_in(place: Place, how: str) -> None:
    key = place.issuer.key
    public = key.as_pem(private=False)
    ways: dict[str, Callable[[Claims], str]] = {
        "none": unsigned,
        "HS256 with the public key": lambda said: jwt.encode(
            {"alg": "HS256", "kid": "one"}, said, OctKey.import_key(public), algorithms=["HS256"]
        ),
        "another key": lambda said: jwt.encode({"alg": "RS256", "kid": "one"}, said, OTHER),
        "RS512": lambda said: jwt.encode({"alg": "RS512", "kid": "one"}, said, key, algorithms=["RS512"]),
        "no kid": lambda said: jwt.encode({"alg": "RS256"}, said, key),
        "at+jwt": lambda said: place.issuer.signed(said, typ="at+jwt"),
        "text": lambda _said: "none",
    }
    place.issuer.sign = ways[how]
    refuses(place, 401)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"email_verified": False}, "has not verified your e-mail address"),
        ({"email_verified": "true"}, "has not verified your e-mail address"),
        ({"email": "mallory@example.test"}, "nobody here is called mallory@example.test"),
        ({"email": None}, "did not say your email"),
        ({"groups": []}, "gives you a role here"),
        ({"groups": ["admin"]}, "gives you a role here"),
        ({"email": "<script>x</script>"}, "&lt;script&gt;"),
    ],
)
def test_who_is_nobody_here_is_told_so(place: Place, said: Claims, reason: str) -> None:
    place.issuer.claims |= said
    assert reason in refuses(place, 403)


def test_an_answer_works_once_in_the_browser_that_asked(place: Place) -> None:
    sam, mallory = place.visitor(), place.visitor()
    where = str(sam.get(sam.asked()).headers["location"])
    # Somebody else's answer would sign this browser in as somebody else (login CSRF).
    assert mallory.get(where).status_code == 400
    assert mallory.get("/console").status_code == 401
    # It is used up by that, and so it is by being taken.
    assert sam.get(where).status_code == 400
    where = str(sam.get(sam.asked()).headers["location"])
    assert sam.get(where).status_code == 200
    assert sam.get(where).status_code == 400
    mallory.asked()  # has a cookie of its own now, and it is another sign-in's
    where = str(sam.get(sam.asked()).headers["location"])
    assert mallory.get(where).status_code == 400
    assert sam.get("/console/sign-in/back?state=guessed&code=x").status_code == 400


def test_an_answer_of_another_provider_or_a_no_signs_nobody_in(place: Place) -> None:
    place.issuer.answer = lambda said: said | {"iss": "https://elsewhere.example"}
    refuses(place, 401)
    place.issuer.answer = lambda said: {name: value for name, value in said.items() if name != "iss"}
    refuses(place, 401)
    place.issuer.answer = lambda said: {"error": "access_denied", "state": said["state"], "iss": said["iss"]}
    refuses(place, 401)


@pytest.mark.parametrize(
    "then",
    ["https://evil.example", "//evil.example", "/console/../v1", "/console/%2e%2e/%2e%2e//evil.example",
     "/console\\@evil.example", "/console?login=x", "/console/sign-in", "/consoles", "javascript:alert(1)"],
)  # fmt: skip
def test_a_sign_in_leads_nowhere_else(place: Place, then: str) -> None:
    assert 'content="0; url=/console">' in place.visitor().sign_in(then).text


def test_a_grave_act_needs_a_fresh_proof_at_the_provider(place: Place) -> None:
    sam = place.visitor()
    place.issuer.claims["auth_time"] = int(time.time()) - 3600  # signed in there an hour ago
    sam.sign_in()
    old, word = sam.http.cookies.get("remit_session"), sam.csrf()
    # One thing is stopped at once, everything is not.
    assert sam.post("/console/freeze", csrf=word, kind="server", name="nothing").status_code == 404
    held = sam.post("/console/freeze", csrf=word, kind="all", name="")
    assert held.status_code == 403
    assert "step_up_required" in held.text
    assert "/console/sign-in?again=1" in held.text
    assert [each["kind"] for each in frozen(place)] == []
    assert place.refusals()[0]["error"] == "step_up_required"
    # A provider that does not ask again is not believed.
    assert sam.sign_in(again="1").status_code == 401
    assert place.issuer.asked[-1]["prompt"] == "login"
    assert place.issuer.asked[-1]["max_age"] == "0"
    # Nor is somebody else.
    place.issuer.claims |= {"auth_time": int(time.time()), "sub": "s-2", "email": "lee@example.test"}
    assert sam.sign_in(again="1").status_code == 401
    assert sam.post("/console/freeze", csrf=word, kind="all", name="").status_code == 403
    place.issuer.claims |= SAM
    assert sam.sign_in(again="1").status_code == 200
    new = sam.http.cookies.get("remit_session")
    assert new != old, "a proof makes a new cookie"
    stale = place.visitor()
    stale.http.cookies.set("remit_session", str(old), path="/console")
    assert stale.get("/console").status_code == 401, "and the old one is void"
    assert sam.post("/console/freeze", csrf=word, kind="all", name="").status_code == 303
    assert [each["kind"] for each in frozen(place)] == ["all"]


def frozen(place: Place) -> list[dict[str, Any]]:
    return list(ok(place.home.remit("freeze", "--json")).json["freezes"])


def test_who_is_revoked_is_signed_out(place: Place) -> None:
    sam = place.visitor()
    sam.sign_in()
    assert sam.get("/console").status_code == 200
    ok(place.home.remit("operator", "revoke", "sam"))
    assert sam.get("/console").status_code == 401


def test_a_file_that_says_too_little_or_is_open_to_others_starts_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for changed, said in (
        ({"people": None}, "people: is missing"),
        ({"issuer": "http://id.example.com"}, "issuer: an https URL is expected"),
        ({"algorithms": ["HS256"]}, "algorithms"),
        ({"roles": {"claim": "groups", "values": {"x": "admin"}}}, "gives no role that there is"),
        ({"person": "sub", "people": "registered"}, "nobody is registered with a sub"),
        ({"client_secret": "x"}, "unknown key"),
    ):
        said_so: dict[str, Any] = {"issuer": "https://id.example.com", "private": None, **changed}
        file = written(tmp_path / "idp", **said_so)
        done = home.remit("up", "--sign-in", file)
        assert done.code == 3, done.err
        assert said in done.err
    path = written(tmp_path / "idp", issuer="https://id.example.com", private=None)
    (tmp_path / "idp" / "client-secret").chmod(0o644)
    done = home.remit("up", "--sign-in", path)
    assert done.code == 3
    assert "the client secret is open to others" in done.err


@pytest.mark.skipif(chromium.PROGRAM is None, reason="Chromium is not installed: apt-get install chromium")
def test_a_real_browser_comes_from_another_site_with_its_strict_cookie(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.path.mkdir()
    with issuer(host="localhost", page=True, claims=dict(SAM)) as provider:
        file = written(tmp_path / "idp", provider.url)
        with home.up("--sign-in", file) as up, chromium.browser(tmp_path / "chromium") as page:
            page.open(f"{up.ready['console']}/log?q=start")
            page.until(lambda text: "Sign in with Example" in text)
            page.run("document.querySelector('a.main').click()")
            page.until(lambda text: text.strip() == "Yes")
            page.run("document.getElementById('yes').click()")
            assert "sam" in page.until(lambda text: "Sign out" in text)
            assert page.run("location.pathname + location.search") == "/console/log?q=start"
