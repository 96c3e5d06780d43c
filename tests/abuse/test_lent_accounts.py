"""Attacks on what people lend: answers that are another's, old, mixed up or led astray; and who may not ask at all."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
import pytest
from tests.e2e.consenting import Person
from tests.e2e.own_accounts import BACK, Place, standing
from tests.e2e.running import Home


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("lent")
    home = Home(folder / "home")
    home.path.mkdir(mode=0o700)
    with standing(home, folder) as found:
        yield found


@pytest.fixture(autouse=True)
def nothing_is_lent(place: Place) -> Iterator[None]:
    """Each attack begins with nothing lent and no code redeemed."""
    place.ledger.write_text("", encoding="utf-8")
    yield
    for each in lent(place):
        place.remit("secret", "disconnect", "mail-client", "--person", each)


def lent(place: Place) -> list[str]:
    rows = place.remit("secret", "list", "--json").json["secrets"]
    return [each["person"] for row in rows for each in row["people"]]


def nothing(place: Place, page: tuple[int, dict[str, str], str], says: str) -> None:
    """See that nothing came of it."""
    assert page[0] == 400, page
    assert says in page[2], page[2]
    assert lent(place) == []
    assert place.got("grant") == [], "no code was redeemed"


def test_another_persons_answer_is_refused_and_used_up(place: Place) -> None:
    """Lee asks, and dana is brought to say yes: her account would be lent to lee's agents."""
    back = place.answered(place.begin("lee"), "dana.reyes")
    nothing(place, place.browser("dana").open(back), "somebody else asked")
    nothing(place, place.browser("lee").open(back), "answered before")


def test_who_is_not_signed_in_lends_nothing(place: Place) -> None:
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
    back = urlsplit(place.answered(place.begin("dana"), "dana.reyes"))
    said = {name: value for name, value in parse_qsl(back.query) if name != "iss"} | (
        {} if iss is None else {"iss": iss}
    )
    nothing(place, place.browser("dana").open(back._replace(query=urlencode(said)).geturl()), "authorization server")


def test_an_answer_at_another_secrets_address_is_refused(place: Place) -> None:
    back = place.answered(place.begin("dana"), "dana.reyes").replace("mail-client", "strict-client")
    nothing(place, place.browser("dana").open(back), "another secret")


def test_where_it_leads_is_not_the_requests_to_say(place: Place) -> None:
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
