"""Sessions of the console over a real server: two people at one thing, a restart, one's own sessions."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.e2e.browsing import link
from tests.e2e.running import Home, Up, ok
from tests.e2e.signing_in import Visitor

from remit.console.pages import settings

Come = Callable[..., Visitor]


@pytest.fixture
def come(home: Home, served: Up) -> Iterator[Come]:
    """Signs somebody in by a link, in a browser of their own."""
    visitors, tokens = [], {}

    def signed_in(person: str, role: str, base: str = "") -> Visitor:
        if person not in tokens:
            tokens[person] = ok(home.remit("operator", "token", person, "--role", role)).out.strip()
        visitor = Visitor(base or served.ready["api"])
        visitors.append(visitor)
        assert visitor.get(link(home, tokens[person])).status_code == 303
        return visitor

    yield signed_in
    for each in visitors:
        each.http.close()


def asked(home: Home, files: Path) -> str:
    """A call that needs somebody's yes, which sam has asked for."""
    ok(home.remit("secret", "set", "payments-key", stdin="an-upstream-key"))
    ok(home.remit("apply", str(files), "--approve", "--as", "dana"))
    token = ok(home.remit("operator", "token", "sam", "--role", "operator")).out.strip()
    words = ("invoice-bot", "payments/transfer", "--arg", "amount=400.5", "--arg", "currency=EUR", "--arg", "to=DE1")
    done = home.remit("approval", "ask", *words, "--json", env={"REMIT_TOKEN": token})
    assert done.code == 11, done.err
    return str(done.json["request"])


def test_two_people_at_one_request_do_not_undo_each_other(home: Home, files: Path, come: Come) -> None:
    path = f"/console/requests/{asked(home, files)}"
    dana, lee = come("dana", "owner"), come("lee", "owner")
    hers, his = dana.csrf(path), lee.csrf(path)  # both have the page open
    assert dana.post(path, csrf=hers, act="deny", note="not this one", once="a").status_code == 303
    late = lee.post(path, csrf=his, act="approve", once="b")
    assert late.status_code == 409, late.text
    assert "denied" in late.text
    assert f'<a href="{path}">Back to the page</a>' in late.text
    page = html.unescape(lee.get(path).text)
    assert "by dana" in page, "he sees what she said"
    found = ok(home.remit("approval", "show", path.rpartition("/")[2], "--json")).json
    assert found["state"] == "denied"
    # What was refused was not sent, so that it may be sent again; what was done is not done twice.
    assert lee.post(path, csrf=his, act="approve", once="b").status_code == 409
    again = dana.post(path, csrf=hers, act="deny", note="not this one", once="a")
    assert again.status_code == 409
    assert "this form was sent before" in again.text


def test_another_ones_word_is_refused_on_a_page_that_leads_back(come: Come) -> None:
    dana, lee = come("dana", "owner"), come("lee", "owner")
    refused = dana.post("/console/settings", csrf=lee.csrf(), act="end-others")
    assert refused.status_code == 403
    assert "not from a page of your session; nothing was done" in refused.text
    assert '<a href="/console/settings">Back to the page</a>' in refused.text


def test_a_form_of_another_site_signs_nobody_out(come: Come) -> None:
    dana = come("dana", "owner")
    # A browser keeps a strict cookie to itself there, and would do as it is told about it all the same.
    stranger = Visitor(dana.base)
    assert "set-cookie" not in stranger.post("/console/sign-out").headers
    stranger.http.close()
    assert dana.post("/console/sign-out").status_code == 403
    assert dana.get("/console").status_code == 200
    out = dana.post("/console/sign-out", csrf=dana.csrf())
    assert out.headers["set-cookie"].startswith('remit_session="";')
    assert dana.get("/console").status_code == 401


def test_ones_own_sessions_are_seen_and_ended_and_no_others(home: Home, come: Come) -> None:
    here, there, lee = come("dana", "owner"), come("dana", "owner"), come("lee", "viewer")

    def rows(visitor: Visitor) -> list[dict[str, str]]:
        return list(json.loads(visitor.get("/console/settings?format=json&table=sessions").text)["sessions"])

    mine, theirs = rows(here), rows(lee)
    assert len(mine) == 2
    assert [each["here"] for each in mine].count("live") == 1
    assert {each["how"] for each in mine} == {"one-time link"}
    assert len(theirs) == 1
    # Somebody else's is refused, as is one that there is not.
    for name in (mine[0]["session"], "ses_guessed"):
        refused = lee.post("/console/settings", csrf=lee.csrf(), act="end-session", session=name)
        assert refused.status_code == 403
    assert here.get("/console").status_code == there.get("/console").status_code == 200
    assert here.post("/console/settings", csrf=here.csrf(), act="end-others").status_code == 303
    assert "1 other session has ended." in here.get("/console/settings").text
    assert there.get("/console").status_code == 401
    assert lee.get("/console").status_code == 200
    last = rows(here)[0]["session"]
    here.post("/console/settings", csrf=here.csrf(), act="end-session", session=last)
    assert here.get("/console").status_code == 401


def test_a_page_that_is_open_across_a_restart_says_that_nothing_was_done(
    home: Home, served: Up, files: Path, come: Come
) -> None:
    ok(home.remit("secret", "set", "payments-key", stdin="an-upstream-key"))
    ok(home.remit("apply", str(files), "--approve", "--as", "dana"))
    dana = come("dana", "owner")
    word = dana.csrf("/console/agents?q=bot")
    assert served.end() == 0
    with home.up("--dev", "--listen", served.ready["api"].removeprefix("http://")):
        sent = dana.http.post(
            f"{dana.base}/console/freeze", data={"csrf": word, "kind": "agent", "name": "invoice-bot"},
            headers={"Referer": f"{dana.base}/console/agents?q=bot"},
        )  # fmt: skip
        assert sent.status_code == 401
        assert "Nothing was done." in sent.text
        assert '<a href="/console/agents?q=bot">go on</a>' in sent.text
        assert ok(home.remit("freeze", "--json")).json["freezes"] == []
        # A new link leads to the very page.
        token = ok(home.remit("operator", "token", "dana", "--role", "owner")).out.strip()
        back = dana.get(link(home, token))
        assert (back.status_code, back.headers["location"]) == (303, "/console/agents?q=bot")
        assert dana.get("/console/agents?q=bot").status_code == 200
        assert dana.post("/console/freeze", csrf=dana.csrf(), kind="agent", name="invoice-bot").status_code == 303
        assert [each["name"] for each in ok(home.remit("freeze", "--json")).json["freezes"]] == ["invoice-bot"]


def test_a_key_is_rotated_by_two_people_of_whom_one_pressed_a_button(home: Home, served: Up) -> None:
    visitor = Visitor(served.ready["api"])
    visitor.get(link(home))
    path = "/console/settings"
    done = visitor.post(path, csrf=visitor.csrf(path), act="rotate-key", use="token", once="a")
    assert done.status_code == 303
    assert "Nothing changed yet: another person says so too" in html.unescape(visitor.get(path).text)
    wrong = visitor.post(path, csrf=visitor.csrf(path), act="rotate-key", use="log", once="b")
    assert wrong.status_code == 400
    second = ok(home.remit("key", "rotate", "token", "--as", "lee", "--json")).json
    assert second["keys"][0]["kid"] in visitor.get(path).text
    assert next(each for each in settings.PAGE.acts if each.name == "rotate-key").grave is True, "a fresh proof first"
    visitor.http.close()
