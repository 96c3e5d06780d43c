"""A person lets a client act as their agent: what they are asked, what the client gets, and how it ends."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.interaction.tokens.consent_world import (
    DESCRIBED,
    DOCUMENTED,
    EDITOR,
    PORTED,
    TOOLS,
    URL,
    WEB,
    ConsentWorld,
    document,
)  # fmt: skip

from remit.access.model import PurposeState
from remit.agents.model import AgentState, SenderConstraint
from remit.console.paths import AUTHORIZE
from remit.kernel.clock import DAY, HOUR, MINUTE, SECOND
from remit.kernel.errors import Conflict, NotFound
from remit.keys import jose
from remit.people.change import Actor
from remit.people.consent import ConsentState
from remit.people.consent_sql import SqlConsents
from remit.tokens.clients.documents import KEPT

pytestmark = pytest.mark.usefixtures("own_folders")


@pytest.fixture
def people(world: Any) -> ConsentWorld:
    return ConsentWorld(world)


def refused(answer: Any, error: str, status: int = 400) -> None:
    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text
    assert "access_token" not in answer.text


# what a person is asked ------------------------------------------------------------------------


def test_the_page_says_who_would_do_what_where_and_until_when(people: ConsentWorld) -> None:
    page = people.ask()
    for said in ("My editor", EDITOR, "editor-bot", "pay-invoices", "Pay supplier invoices", TOOLS, PORTED, "Until"):
        assert said in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self' http://127.0.0.1:50123;" in policy  # or the browser would not follow the answer
    assert "<script" not in page.text
    assert " on" not in re.sub(r"[^<>]*>", "", page.text)
    assert page.headers["cache-control"] == "no-store"


def test_who_is_not_signed_in_learns_nothing(people: ConsentWorld) -> None:
    for client in (EDITOR, URL, "nobody-knows-it"):
        page = people.ask(person=None, client_id=client)
        assert page.status_code == 401
        assert "remit console" in page.text
        assert "editor-bot" not in page.text
        assert "no agent" not in page.text
    assert people.shelf.asked == []
    assert people.world.entries("refused") == []


@pytest.mark.requirement("consent:owner")
def test_only_who_answers_for_the_agent_consents(people: ConsentWorld) -> None:
    assert people.ask(person="lee").status_code == 200  # dana's backup
    assert "keyed-bot" not in people.ask(person="dana").text
    assert "editor-bot" not in people.ask(person="kim").text
    page = people.ask()
    answer = people.ask(person="mo")
    assert answer.status_code == 403
    assert people.press(page, person="mo").status_code == 403  # dana's page, with mo's own session and word
    assert [each["error"] for each in people.entries("refused")] == ["access_denied"] * 2
    assert [each["reason"] for each in people.entries("refused")] == ["not this person's to consent to"] * 2
    assert people.entries("change", what="consent") == []


@pytest.mark.requirement("consent:csrf")
@pytest.mark.parametrize("csrf", [None, "", "guessed"])
def test_a_form_that_is_not_from_the_page_consents_to_nothing(people: ConsentWorld, csrf: str | None) -> None:
    answer = people.press(people.ask(), csrf=csrf)
    assert answer.status_code == 403
    assert "location" not in answer.headers
    assert people.entries("change", what="consent") == []


def test_where_there_is_a_choice_the_person_makes_it(people: ConsentWorld) -> None:
    people.register(
        "editor-bot", "pay-invoices", "audit-invoices", sender_constraint=SenderConstraint.NONE, bindings=(DESCRIBED,)
    )
    page = people.ask(scope=None)
    assert page.text.count('type="radio"') == 2
    assert people.press(page).status_code == 400  # none was chosen
    assert people.press(page, choice="keyed-bot pay-invoices").status_code == 400  # that was not offered
    told = people.returned(people.press(page, choice="editor-bot audit-invoices"))
    assert people.redeem(told["code"]).json()["scope"] == "purpose:audit-invoices"


@pytest.mark.requirement("authorize:errors")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "invalid_request"), ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"), ({"request": "x.y.z"}, "invalid_request"),
        ({"request_uri": "https://client.example/r"}, "invalid_request"), ({"dpop_jkt": "short"}, "invalid_request"),
        ({"scope": "pay-invoices"}, "invalid_scope"), ({"scope": "purpose:audit-invoices"}, "invalid_scope"),
        ({"scope": "purpose:pay-invoices openid"}, "invalid_scope"), ({"resource": None}, "invalid_target"),
        ({"resource": [TOOLS, "http://remit.test/mcp/crm"]}, "invalid_target"),
        ({"resource": "https://elsewhere.test/mcp"}, "invalid_target"),
        ({"authorization_details": "[]"}, "invalid_authorization_details"),
    ],
)  # fmt: skip
def test_what_the_client_is_told(people: ConsentWorld, changes: dict[str, Any], error: str) -> None:
    told = people.returned(people.ask(**changes))
    assert (told["error"], told["state"], told["iss"]) == (error, "af0ifjsldkj", people.world.base)
    (entry,) = people.entries("refused")
    assert (entry["door"], entry["error"]) == ("authorize", error)


@pytest.mark.requirement("authorize:errors")
@pytest.mark.parametrize(
    "query",
    [
        "", "response_type=code", f"client_id={EDITOR}", f"redirect_uri={PORTED}",
        f"client_id={EDITOR}&client_id=other&redirect_uri={PORTED}",
        f"client_id={EDITOR}&redirect_uri={PORTED}&redirect_uri=https://evil.test/", "client_id=%zz&redirect_uri=x",
        f"client_id={EDITOR}&redirect_uri={PORTED}&state={'s' * 2049}", "client_id=%ff&redirect_uri=x",
    ],
)  # fmt: skip
def test_what_cannot_be_sent_is_shown(people: ConsentWorld, query: str) -> None:
    answer = people.ask(query)
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert len(people.entries("refused", door="authorize")) == 1


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"agent_state": AgentState.SUSPENDED}, "unauthorized_client"), ({"frozen": True}, "unauthorized_client"),
        ({"owner_active": False}, "unauthorized_client"), ({"purposes": ()}, "invalid_scope"),
        ({"frozen_credentials": frozenset({DESCRIBED.credential})}, "unauthorized_client"),
    ],
)  # fmt: skip
def test_nobody_is_asked_for_an_agent_that_gets_no_token(
    people: ConsentWorld, changes: dict[str, Any], error: str
) -> None:
    people.world.change("editor-bot", **changes)
    assert people.returned(people.ask())["error"] == error


# the client that has a document ----------------------------------------------------------------


@pytest.mark.requirement("cimd:document")
def test_a_client_is_known_by_its_document(people: ConsentWorld) -> None:
    page = people.ask(client_id=URL, redirect_uri=WEB)
    for said in ("Example client", URL, "client.example says that it is called so"):
        assert said in page.text
    assert "form-action 'self' https://client.example;" in page.headers["content-security-policy"]
    code = people.returned(people.press(page), WEB)["code"]
    answer = people.redeem(code, client_id=URL, redirect_uri=WEB)
    assert answer.status_code == 200, answer.text
    assert people.shelf.asked == [URL]  # once for both looks at the request, and not at the token endpoint
    (consent,) = people.consents.listing(person="dana", most=9)
    assert (consent.client, consent.name) == (URL, "Example client")


@pytest.mark.requirement("cimd:cache")
def test_a_document_is_kept_for_a_while_and_an_error_is_not(people: ConsentWorld) -> None:
    good = people.shelf.answers.pop(URL)
    for _ in range(2):
        answer = people.ask(client_id=URL, redirect_uri=WEB)
        assert answer.status_code == 400
        assert "invalid_client_metadata" in answer.text
    assert len(people.shelf.asked) == 2
    people.shelf.answers[URL] = good
    for _ in range(3):
        assert people.ask(client_id=URL, redirect_uri=WEB).status_code == 200
    assert len(people.shelf.asked) == 3
    people.world.clock.at += KEPT
    people.shelf.put(URL, document(redirect_uris=["https://client.example/moved"]))
    assert people.ask(client_id=URL, redirect_uri=WEB).status_code == 400
    assert len(people.shelf.asked) == 4
    assert {each["error"] for each in people.entries("refused")} == {"invalid_client_metadata", "invalid_request"}


@pytest.mark.requirement("cimd:registered")
def test_a_url_that_no_agent_names_is_not_fetched(people: ConsentWorld) -> None:
    other = "https://other.example/metadata.json"
    people.shelf.put(other, document(client_id=other))
    assert people.ask(client_id=other, redirect_uri=WEB).status_code == 403
    refused(people.redeem("rmc_x", client_id=other), "invalid_grant")
    assert people.shelf.asked == []


@pytest.mark.requirement("cimd:private-key-jwt")
def test_a_client_with_a_key_signs_or_gets_nothing(people: ConsentWorld) -> None:
    key, other = people.world.new_key(), people.world.new_key()
    signs = {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [dict(key.public.jwk)]}}
    people.shelf.put(URL, document(**signs))

    def signed(by: jose.SigningKey, **claims: Any) -> dict[str, str]:
        seconds = people.world.now // SECOND
        said = {"iss": URL, "sub": URL, "aud": people.world.base, "exp": seconds + 60, "jti": uuid.uuid4().hex} | claims
        assertion = jose.sign(said, typ="JWT", key=by)
        kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        return {"client_assertion_type": kind, "client_assertion": assertion, "client_id": URL, "redirect_uri": WEB}

    code = people.code(client_id=URL, redirect_uri=WEB)
    refused(people.redeem(code, client_id=URL, redirect_uri=WEB), "invalid_client", 401)
    refused(people.redeem(code, **signed(other)), "invalid_client", 401)
    refused(people.redeem(code, **signed(key, aud=f"{people.world.base}/oauth2/token")), "invalid_client", 401)
    good = signed(key)
    tokens = people.redeem(code, **good)
    assert tokens.status_code == 200, tokens.text
    refresh = tokens.json()["refresh_token"]
    refused(people.renew(refresh, client_id=URL), "invalid_client", 401)
    refused(people.renew(refresh, **good), "invalid_client", 401)  # its assertion was used
    assert people.renew(refresh, **signed(key)).status_code == 200
    # Its key is good for what people consented to, and for nothing of the agent's own.
    own = {"grant_type": "client_credentials", "scope": "purpose:pay-invoices", "resource": TOOLS} | signed(key)
    assert people.post("/oauth2/token", own).status_code in (400, 401)
    assert len(people.world.entries("token")) == 2
    # Nor does a signature that nobody asked for stand in for anything.
    people.world.clock.at += KEPT
    people.shelf.put(URL, document())
    code = people.code(client_id=URL, redirect_uri=WEB)
    refused(people.redeem(code, **signed(key)), "invalid_client", 401)
    assert people.redeem(code, client_id=URL, redirect_uri=WEB).status_code == 200


def test_a_client_that_takes_no_refresh_token_gets_none_and_ends_all_the_same(people: ConsentWorld) -> None:
    people.shelf.put(URL, document(grant_types=["authorization_code"]))
    answer = people.redeem(people.code(client_id=URL, redirect_uri=WEB), client_id=URL, redirect_uri=WEB).json()
    assert "refresh_token" not in answer
    assert people.good(answer["access_token"])
    (consent,) = people.consents.listing(person=None, most=9)
    people.consents.withdraw(consent.consent, by=Actor(by="dana"))
    assert not people.good(answer["access_token"])


# what the client gets --------------------------------------------------------------------------


@pytest.mark.requirement("code:grant")
@pytest.mark.requirement("refresh:rotated")
def test_a_code_becomes_a_token_and_a_refresh_token_the_next(people: ConsentWorld) -> None:
    body = people.tokens()
    assert (body["token_type"], body["scope"], body["expires_in"]) == ("Bearer", "purpose:pay-invoices", 300)
    found = people.checker.read(body["access_token"], now=people.world.now)
    assert found is not None
    assert (found.caller.agent, found.caller.credential) == ("editor-bot", DESCRIBED.credential)
    assert found.audience == {TOOLS}
    renewed = people.renew(body["refresh_token"]).json()
    assert renewed["refresh_token"] != body["refresh_token"]
    again = people.checker.read(renewed["access_token"], now=people.world.now)
    assert again is not None
    assert (again.caller.run, again.caller.instance) == (found.caller.run, found.caller.instance)
    grants = [each["grant"] for each in people.world.entries("token")]
    assert grants == ["authorization_code", "refresh_token"]
    (entry,) = people.entries("change", what="consent")
    assert (entry["change"], entry["by"], entry["person"]) == ("give", "dana", "dana")
    assert (entry["agent"], entry["client"], entry["resources"]) == ("editor-bot", EDITOR, [TOOLS])


def test_each_machine_is_an_instance_of_its_own(people: ConsentWorld) -> None:
    bodies = [people.tokens(), people.tokens()]
    callers = [people.checker.read(each["access_token"], now=people.world.now) for each in bodies]
    instances = {found.caller.instance for found in callers if found is not None}
    assert len(instances) == 2
    assert {len(each) for each in instances} == {43}  # they can be frozen by their names
    frozen = next(found.caller.instance for found in callers if found is not None)
    people.world.change("editor-bot", frozen_instances=frozenset({frozen}))
    refused(people.renew(bodies[0]["refresh_token"]), "unauthorized_client")
    assert people.renew(bodies[1]["refresh_token"]).status_code == 200


@pytest.mark.requirement("code:narrow")
@pytest.mark.requirement("refresh:narrow")
def test_nothing_wider_than_what_was_consented_to(people: ConsentWorld) -> None:
    crm = "http://remit.test/mcp/crm"
    code = people.code()
    refused(people.redeem(code, resource=crm), "invalid_target")
    refused(people.redeem(code, resource=people.world.base), "invalid_target")
    refused(people.redeem(code, scope="purpose:audit-invoices"), "invalid_scope")
    body = people.redeem(code, resource=TOOLS).json()
    refused(people.renew(body["refresh_token"], resource=crm), "invalid_target")
    refused(people.renew(body["refresh_token"], scope="purpose:audit-invoices"), "invalid_scope")
    assert people.renew(body["refresh_token"], resource=TOOLS, scope="purpose:pay-invoices").status_code == 200


@pytest.mark.requirement("refresh:bound")
@pytest.mark.requirement("code:dpop-jkt")
def test_what_was_had_with_a_key_is_renewed_with_that_key(people: ConsentWorld) -> None:
    world = people.world
    mine, other = world.instance_key, world.new_key()
    jkt = mine.public.thumbprint
    code = people.code(person="kim", dpop_jkt=jkt)
    refused(people.redeem(code), "invalid_grant")
    refused(people.redeem(code, proof=world.proof(key=other)), "invalid_grant")
    body = people.redeem(code, proof=world.proof(key=mine)).json()
    assert body["token_type"] == "DPoP"
    refused(people.renew(body["refresh_token"]), "invalid_grant")
    refused(people.renew(body["refresh_token"], proof=world.proof(key=other)), "invalid_grant")
    assert people.renew(body["refresh_token"], proof=world.proof(key=mine)).status_code == 200
    # Without dpop_jkt the first key that redeems it is the one.
    later = people.redeem(people.code(person="kim"), proof=world.proof(key=mine)).json()
    refused(people.renew(later["refresh_token"], proof=world.proof(key=other)), "invalid_grant")
    reasons = {each["reason"] for each in people.entries("refused")}
    assert reasons == {"another dpop_jkt", "another key"}


@pytest.mark.requirement("client:public")
def test_a_public_client_gets_nothing_without_a_person(people: ConsentWorld) -> None:
    own = {"grant_type": "client_credentials", "client_id": EDITOR, "resource": TOOLS}
    refused(people.post("/oauth2/token", own), "invalid_client", 401)
    refused(people.redeem("rmc_guessed"), "invalid_grant")
    refused(people.renew("rmr_guessed"), "invalid_grant")
    refused(people.redeem("rmc_guessed", client_id=None), "invalid_client", 401)
    refused(people.redeem("x", client_id="nobody-knows-it"), "invalid_grant")  # as for one that is known
    body = people.tokens()
    refused(people.redeem(body["refresh_token"]), "invalid_grant")
    refused(people.renew(people.code()), "invalid_grant")
    # And an agent's own key leads to no grant that stands on a consent.
    signed = people.world.form(grant_type="authorization_code", code=people.code(), redirect_uri=PORTED)
    refused(people.post("/oauth2/token", signed, proof=people.world.proof()), "unauthorized_client")


# how it ends -----------------------------------------------------------------------------------


def test_who_was_signed_out_meanwhile_consents_to_nothing_and_withdraws_nothing(people: ConsentWorld) -> None:
    people.tokens()
    (consent,) = people.consents.listing(person="dana", most=9)
    client, page = people.browser("dana"), people.ask()
    session = people.sessions.find(client.cookies.get("remit_session"))
    assert session is not None
    people.gone.add("dana")
    assert client.get("/console/consents").status_code == 401
    form = {"consent": consent.consent, "csrf": session.csrf}
    assert client.post("/console/consents/withdraw", data=form).status_code == 401
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text))
    assert client.post(AUTHORIZE, data=hidden | {"csrf": session.csrf, "answer": "yes"}).status_code == 401
    (still,) = people.consents.listing(person="dana", most=9)
    assert still.live(people.world.clock.now())


@pytest.mark.requirement("consent:withdrawn")
def test_withdrawn_everything_under_it_ends_at_once(people: ConsentWorld) -> None:
    body, waiting = people.tokens(), people.code()
    (consent,) = people.consents.listing(person="dana", most=9)
    page = people.browser("dana").get("/console/consents")
    assert consent.consent in page.text
    assert "editor-bot" in page.text
    assert people.browser("lee").get("/console/consents").text.count(consent.consent) == 0
    client = people.browser("dana")
    session = people.sessions.find(client.cookies.get("remit_session"))
    assert session is not None
    form = {"consent": consent.consent, "csrf": session.csrf}
    assert client.post("/console/consents/withdraw", data=form | {"csrf": "x"}).status_code == 403
    assert people.good(body["access_token"])
    assert client.post("/console/consents/withdraw", data=form).status_code == 303
    assert not people.good(body["access_token"])
    refused(people.renew(body["refresh_token"]), "invalid_grant")
    refused(people.redeem(waiting), "invalid_grant")
    (entry,) = people.entries("change", what="consent", change="withdraw")
    assert (entry["by"], entry["name"]) == ("dana", consent.consent)
    with pytest.raises(Conflict):
        people.consents.withdraw(consent.consent, by=Actor(by="dana"))
    with pytest.raises(NotFound):
        people.consents.withdraw("con_unknown", by=Actor(by="dana"))
    assert people.good(people.tokens()["access_token"])  # consented to anew, as another
    assert {each.state.value for each in people.consents.listing(person=None, most=9)} == {"given", "withdrawn"}


@pytest.mark.requirement("consent:withdrawn")
def test_whoever_renews_while_it_is_withdrawn_comes_too_late(people: ConsentWorld) -> None:
    """As another node sees it that read the refresh token before, and the consent after: the consent decides."""
    code, body = people.code(), people.tokens()
    (consent,) = people.consents.listing(person=None, most=9)
    over = replace(consent, state=ConsentState.WITHDRAWN)
    people.world.database.writer.change(lambda tx: SqlConsents(tx.connection).put(over))
    refused(people.renew(body["refresh_token"]), "invalid_grant")
    refused(people.redeem(code), "invalid_grant")
    reasons = {each["reason"] for each in people.entries("refused")}
    assert reasons == {"the consent was withdrawn, or has ended"}


def test_the_same_consent_given_again_ends_later(people: ConsentWorld) -> None:
    people.tokens()
    (first,) = people.consents.listing(person=None, most=9)
    people.world.clock.at += DAY
    people.tokens()
    (second,) = people.consents.listing(person=None, most=9)
    assert second.consent == first.consent
    assert second.given == first.given + DAY
    assert second.until == first.until  # the agent's own end


@pytest.mark.requirement("refresh:ends")
@pytest.mark.parametrize(
    "end",
    [
        lambda people: people.change("editor-bot", state=AgentState.SUSPENDED),
        lambda people: people.change("editor-bot", bindings=(DOCUMENTED,)),
        lambda people: people.world.change("editor-bot", frozen=True),
        lambda people: people.world.change("editor-bot", purposes=()),
        lambda people: people.world.change("editor-bot", frozen_credentials=frozenset({DESCRIBED.credential})),
        lambda people: people.answering["editor-bot"].discard("dana"),
        lambda people: setattr(people.world.clock, "at", people.world.clock.at + 31 * DAY),
        lambda people: people.world.standing.agents.pop("editor-bot"),
    ],
    ids=["suspended", "client taken off", "frozen", "purpose", "client frozen", "owner", "time", "gone"],
)
def test_nothing_is_renewed_past_what_it_stands_on(people: ConsentWorld, end: Any) -> None:
    code, body = people.code(), people.tokens()
    end(people)
    for answer in (people.renew(body["refresh_token"]), people.redeem(code)):
        assert answer.status_code in (400, 401)
        assert "access_token" not in answer.text
    assert len(people.world.entries("token")) == 1


def test_a_purpose_that_ended_is_renewed_no_more(people: ConsentWorld) -> None:
    body = people.tokens()
    standing = people.world.standing.agents["editor-bot"]
    closed = tuple(replace(each, state=PurposeState.CLOSED) for each in standing.purposes)
    people.world.change("editor-bot", purposes=closed)
    refused(people.renew(body["refresh_token"]), "invalid_scope")


def test_no_token_outlives_the_consent(people: ConsentWorld) -> None:
    far = people.world.now + 400 * DAY
    people.change("editor-bot", not_after=far)
    standing = people.world.standing.agents["editor-bot"]
    people.world.change("editor-bot", purposes=tuple(replace(each, not_after=far) for each in standing.purposes))
    body = people.tokens()
    (consent,) = people.consents.listing(person=None, most=9)
    assert consent.until == people.world.now + 90 * DAY
    for days in (29, 29, 29, 2):
        people.world.clock.at += days * DAY
        body = people.renew(body["refresh_token"]).json()
    people.world.clock.at = consent.until - 2 * MINUTE
    answer = people.renew(body["refresh_token"]).json()
    assert answer["expires_in"] == 120
    people.world.clock.at = consent.until
    refused(people.renew(answer["refresh_token"]), "invalid_grant")


def test_it_is_renewed_beyond_a_run_and_not_beyond_idleness(people: ConsentWorld) -> None:
    body = people.tokens()
    people.world.clock.at += 9 * HOUR  # a run is over after eight
    body = people.renew(body["refresh_token"]).json()
    assert people.good(body["access_token"])
    people.world.clock.at += 30 * DAY
    refused(people.renew(body["refresh_token"]), "invalid_grant")


# what a token is worth, and its end by its holder ----------------------------------------------


@pytest.mark.requirement("introspection:audience")
@pytest.mark.requirement("introspection:refresh")
def test_who_may_know_what_a_token_is_worth(people: ConsentWorld) -> None:
    body = people.tokens()
    pep = {"authorization": "Bearer rmp_edge"}

    def ask(token: str, **form: Any) -> Any:
        answer = people.post("/oauth2/introspect", {"token": token} | form, **pep)
        assert answer.status_code == 200
        return answer.json()

    assert ask(body["access_token"], resource=TOOLS)["active"] is True
    for hint in ("refresh_token", "access_token", "unheard_of"):
        assert ask(body["access_token"], resource=TOOLS, token_type_hint=hint)["active"] is True
    assert ask(body["access_token"]) == {"active": False}
    assert ask(body["access_token"], resource="http://remit.test/mcp/crm") == {"active": False}
    assert ask(body["refresh_token"], resource=TOOLS) == {"active": False}  # it is for no resource at all
    # A public client shows nothing but what it holds, and learns nothing.
    asked = people.post("/oauth2/introspect", {"token": body["refresh_token"], "client_id": EDITOR})
    refused(asked, "invalid_client", 401)


@pytest.mark.requirement("introspection:refresh")
def test_an_agent_with_a_key_of_its_own_sees_its_refresh_tokens(people: ConsentWorld) -> None:
    key = people.world.new_key()
    people.change("editor-bot", keys=(dict(key.public.jwk),))
    body = people.tokens()

    def ask(**more: Any) -> Any:
        assertion = people.world.assertion("editor-bot", key=key)
        kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        form = {"token": body["refresh_token"], "client_assertion": assertion, "client_assertion_type": kind}
        return people.post("/oauth2/introspect", form | more).json()

    seen = ask()
    assert (seen["active"], seen["client_id"], seen["sub"], seen["aud"]) == (True, EDITOR, "editor-bot", [TOOLS])
    assert ask(token="rmr_unknown") == {"active": False}
    people.renew(body["refresh_token"])
    assert ask() == {"active": False}


@pytest.mark.requirement("revocation:family")
@pytest.mark.parametrize("hint", [None, "refresh_token", "access_token", "unheard_of"])
def test_a_client_gives_back_a_refresh_token_with_all_that_came_of_it(people: ConsentWorld, hint: str | None) -> None:
    first = people.tokens()
    second, other = people.renew(first["refresh_token"]).json(), people.tokens()
    form = {"token": second["refresh_token"], "client_id": EDITOR, "token_type_hint": hint}
    assert people.post("/oauth2/revoke", form).status_code == 200
    assert not people.good(first["access_token"])
    assert not people.good(second["access_token"])
    refused(people.renew(second["refresh_token"]), "invalid_grant")
    assert people.good(other["access_token"])
    (entry,) = people.entries("change", what="token_family")
    assert (entry["by"], entry["reason"]) == (EDITOR, "revoked by its holder")
    assert people.post("/oauth2/revoke", form).status_code == 200  # again is no error
    assert len(people.entries("change", what="token_family")) == 1


@pytest.mark.requirement("revocation:access")
def test_a_client_gives_back_an_access_token_alone(people: ConsentWorld) -> None:
    body = people.tokens()
    form = {"token": body["access_token"], "client_id": EDITOR}
    assert people.post("/oauth2/revoke", form).status_code == 200
    assert not people.good(body["access_token"])
    assert people.renew(body["refresh_token"]).status_code == 200


@pytest.mark.requirement("revocation:own")
def test_nobody_gives_back_what_is_another_clients(people: ConsentWorld) -> None:
    body = people.tokens()
    for token in (body["access_token"], body["refresh_token"]):
        for client in (URL, "nobody-knows-it"):
            answer = people.post("/oauth2/revoke", {"token": token, "client_id": client})
            assert answer.status_code in (400, 401)
    assert people.post("/oauth2/revoke", {"token": "rmr_unknown", "client_id": EDITOR}).status_code == 200
    assert people.post("/oauth2/revoke", {"client_id": EDITOR}).status_code in (400, 401)
    assert people.good(body["access_token"])
    assert people.renew(body["refresh_token"]).status_code == 200


@pytest.mark.requirement("metadata:authorization-code")
def test_the_metadata_says_what_there_is(people: ConsentWorld) -> None:
    client = people.browser(None)
    found = client.get("/.well-known/oauth-authorization-server").json()
    assert found["issuer"] == people.world.base
    assert found["authorization_endpoint"] == f"{people.world.base}/oauth2/authorize"
    assert found["response_types_supported"] == ["code"]
    assert found["code_challenge_methods_supported"] == ["S256"]
    assert found["authorization_response_iss_parameter_supported"] is True
    assert found["client_id_metadata_document_supported"] is True
    assert {"authorization_code", "refresh_token", "client_credentials"} <= set(found["grant_types_supported"])
    assert "none" in found["token_endpoint_auth_methods_supported"]
    assert "none" in found["revocation_endpoint_auth_methods_supported"]
    assert "none" not in found["introspection_endpoint_auth_methods_supported"]


def test_a_long_query_is_refused_at_the_door(people: ConsentWorld) -> None:
    client = people.browser()
    answer = client.get("/oauth2/authorize?" + urlencode({"client_id": EDITOR, "state": "s" * 9000}))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_a_revoked_family_stays_revoked_after_a_restart(people: ConsentWorld) -> None:
    body = people.tokens()
    people.post("/oauth2/revoke", {"token": body["refresh_token"], "client_id": EDITOR})
    people.revoked = type(people.revoked)(people.world.clock)
    people.world.database.reader.read(people.revoked.reload)
    assert not people.good(body["access_token"])
    people.world.clock.at += MINUTE
    assert not people.good(body["access_token"])


def test_a_persons_consent_is_no_key_that_was_proved(people: ConsentWorld) -> None:
    """Nor with a key of the moment beside it, which who stole a refresh token makes too."""
    found = people.tokens()
    renewed = people.renew(found["refresh_token"], proof=people.world.proof(key=people.world.new_key()))
    assert renewed.status_code == 200, renewed.text
    for token in (found["access_token"], renewed.json()["access_token"]):
        said = people.world.checker.read(token, now=people.world.now)
        assert said.caller.attested == 0
