"""The key of one running copy is used from two places at once: the second is refused, and the owner told."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any
from urllib.parse import urlencode

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from tests.at_once import Ask, at_once

from remit.agents.service import AgentService
from remit.agents.signals import Noticed, Signal
from remit.agents.sql import SqlAgents
from remit.audit.log import Log
from remit.audit.service import Recorder
from remit.kernel.clock import HOUR, MINUTE, SECOND
from remit.kernel.errors import StorageUnavailable
from remit.people.change import Actor
from remit.people.notices import SqlNotices
from remit.server.proxies import trusted
from remit.tokens import elsewhere as elsewhere_module
from remit.tokens.check import TokenChecker
from remit.tokens.elsewhere import Elsewhere
from remit.tokens.form import MEDIA_TYPE, parse_form
from remit.tokens.http import routes
from remit.tokens.model import TOKEN_LIFETIME, Asked
from remit.tokens.revoked import Revoked
from remit.tokens.service import TokenService
from remit.tokens.whereabouts import HELD

pytestmark = pytest.mark.usefixtures("own_folders")

OFFICE, THIEF, CAFE = "192.0.2.1", "198.51.100.7", "203.0.113.9"
BOT = "invoice-bot"


class Two:
    """The world's token service, watched; `agents` keeps what was noticed."""

    def __init__(self, world: Any) -> None:
        self.world = world
        database = world.database
        records = Recorder(world.ring, world.clock, lambda: database.epoch)
        bound: dict[str, Any] = {"writer": database.writer, "records": records}
        self.agents = AgentService(**bound, reader=database.reader, data_keys=world.ring, clock=world.clock)
        self.know(BOT)
        self.revoked = Revoked(world.clock)
        database.feed.subscribe(self.revoked.follow, self.revoked.reload)
        self.elsewhere = Elsewhere(**bound, signaller=self.agents)
        self.service = TokenService(
            issuer=world.base, keys=world.ring.token_keys, standing=world.standing, clock=world.clock,
            elsewhere=self.elsewhere, **bound,
        )  # fmt: skip
        self.app = Starlette(routes=routes(self.service))

    def know(self, agent: str) -> None:
        """Keep the agent where what is noticed about it is kept."""
        found = self.world.standing.agents[agent].agent
        self.world.database.writer.change(lambda tx: self.world.ring.ensure_data_key(tx, f"agent:{agent}"))
        self.world.database.writer.change(lambda tx: SqlAgents(tx.connection).put(found))

    def ask(
        self, address: str, *, later: int = 10 * SECOND, key: Any = None, app: Any = None, heard: str = "",
        **form: Any,
    ) -> Any:  # fmt: skip
        """Ask for a token from `address`, with the key of the copy; then time passes."""
        sent = {"content-type": MEDIA_TYPE, "dpop": self.world.proof(key=key)}
        sent |= {"x-forwarded-for": heard} if heard else {}
        with TestClient(app or self.app, base_url=self.world.base, client=(address, 4711)) as client:
            answer = client.post("/oauth2/token", content=urlencode(self.world.form(**form), doseq=True), headers=sent)
        self.world.clock.at += later
        return answer

    def statuses(self, *addresses: str, later: int = 10 * SECOND) -> list[int]:
        return [self.ask(each, later=later).status_code for each in addresses]

    def taken_back(self, answer: Any) -> bool:
        """Whether the token that was had is revoked."""
        presented = self.world.checker.read(token_of(answer), now=self.world.now)
        return bool(presented is None or self.revoked.has(presented.caller.token))

    def noticed(self) -> tuple[Noticed, ...]:
        return self.agents.risk(BOT).noticed


@pytest.fixture
def two(world: Any) -> Two:
    return Two(world)


def token_of(answer: Any) -> str:
    found: str = answer.json()["access_token"]
    return found


def test_a_thief_who_asks_first_for_another_thing_is_the_second_place_all_the_same(two: Two) -> None:
    """Else all that the copy had elsewhere would be taken back, and the thief would go on."""
    resource = f"{two.world.base}/mcp/pay"
    mine = [two.ask(OFFICE), two.ask(OFFICE)]
    stolen = [two.ask(THIEF, resource=resource)]
    mine.append(two.ask(OFFICE, resource=resource))
    stolen.append(two.ask(THIEF, resource=resource))
    mine.append(two.ask(OFFICE, resource=resource))
    assert two.ask(OFFICE).status_code == 200
    assert two.ask(THIEF, resource=resource).status_code == 400
    assert [two.taken_back(each) for each in mine] == [False] * 4
    assert [two.taken_back(each) for each in stolen] == [True] * 2


def test_a_copy_that_was_first_by_the_other_family_is_first_by_its_own_all_the_same(two: Two) -> None:
    """It has an address of each: what it did by one says nothing of who was first by the other."""
    resource = f"{two.world.base}/mcp/pay"
    assert two.statuses("2001:db8::1", OFFICE) == [200, 200]
    stolen = two.ask(THIEF, resource=resource)
    mine = two.ask(OFFICE, resource=resource)
    assert two.ask(THIEF, resource=resource).status_code == 200
    assert two.ask(OFFICE, resource=resource).status_code == 200
    assert two.ask(THIEF, resource=resource).status_code == 400
    assert (two.taken_back(mine), two.taken_back(stolen)) == (False, True)


def test_a_thief_who_waits_until_its_first_move_is_forgotten_is_so_too(two: Two) -> None:
    for address, minutes in ((OFFICE, 0.5), (THIEF, 4), (OFFICE, 4.5), (OFFICE, 4.5), (OFFICE, 2.1), (THIEF, 0.4)):
        assert two.ask(address, later=int(minutes * MINUTE)).status_code == 200
    mine = two.ask(OFFICE, later=MINUTE // 2)
    assert mine.status_code == 200
    two.statuses(THIEF, OFFICE, THIEF)
    assert two.ask(OFFICE).status_code == 200
    assert not two.taken_back(mine)


def test_nobody_pushes_out_what_another_place_had(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("remit.tokens.elsewhere._MOST_HAD", 4)
    two.ask(OFFICE, later=SECOND)
    stolen = two.ask(THIEF, later=SECOND)
    two.statuses(*([OFFICE] * 8), later=SECOND)
    assert two.ask(THIEF).status_code == 400
    assert two.taken_back(stolen)


@pytest.mark.requirement("instance:two-places")
def test_the_second_place_is_refused_and_what_it_had_is_taken_back(two: Two, world: Any) -> None:
    mine, stolen = two.ask(OFFICE), two.ask(THIEF)
    assert two.ask(OFFICE).status_code == 200
    answer = two.ask(THIEF)
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")
    assert "in use elsewhere" in answer.json()["error_description"]
    assert OFFICE not in answer.text, "the thief is not told where the other is"

    jti = {name: token.json()["access_token"] for name, token in (("mine", mine), ("stolen", stolen))}
    ids = {name: world.checker.read(token, now=world.now).caller.token for name, token in jti.items()}
    assert two.revoked.has(ids["stolen"])
    assert not two.revoked.has(ids["mine"])
    assert two.ask(OFFICE).status_code == 200

    instance = world.instance_key.public.thumbprint
    (noticed,) = two.noticed()
    assert (noticed.signal, noticed.about) == (Signal.INSTANCE_CONFLICT, f"remit: {instance}")
    (refused,) = world.entries("refused")
    assert (refused["reason"], refused["agent"], refused["door"]) == ("instance_conflict", BOT, "token")
    (incident,) = world.entries("incident")
    assert (incident["what"], incident["agent"], incident["instance"]) == ("instance_conflict", BOT, instance)
    assert incident["tokens"] == [ids["stolen"]]
    assert OFFICE not in str(incident)
    (notice,) = world.database.reader.read(lambda c: SqlNotices(c).newest([BOT], most=9, unseen=True))
    assert (notice.said["reason"], notice.said["instance"]) == ("instance_conflict", instance)


def test_where_it_was_is_sealed_in_the_log(two: Two, world: Any) -> None:
    two.statuses(OFFICE, THIEF, OFFICE, THIEF)
    (incident,) = world.entries("incident")
    payload = Log(world.database.reader, world.ring).find(incident["id"]).payload
    assert isinstance(payload, dict)
    assert [each["place"] for each in payload["places"]] == [OFFICE, THIEF, OFFICE, THIEF]


def test_all_that_the_second_place_had_is_taken_back(two: Two, world: Any) -> None:
    """It asks twice in a row, and for another purpose: each of those tokens would have lived on."""
    from tests.abuse.resource import Resource  # noqa: PLC0415 - found by the path that conftest sets

    world.change(BOT, agent_max_instances=9)
    other: dict[str, Any] = {"scope": "purpose:audit-invoices"}
    mine = [two.ask(OFFICE), two.ask(OFFICE, **other)]
    stolen = [two.ask(THIEF, **other), two.ask(THIEF), two.ask(THIEF)]
    mine.append(two.ask(OFFICE))
    assert two.ask(THIEF).json()["error"] == "unauthorized_client"
    world.checker = TokenChecker(world.ring.token_keys, issuer=world.base, revoked=two.revoked.has)
    resource = Resource(world)
    for answer in stolen:
        resource.refuses(token_of(answer), reason="the token was revoked")
    for answer in mine:
        assert world.check(token_of(answer))
    (incident,) = world.entries("incident")
    payload = Log(world.database.reader, world.ring).find(incident["id"]).payload
    assert isinstance(payload, dict)
    assert [each["place"] for each in payload["tokens"]] == [THIEF] * 3
    assert sorted(each["token"] for each in payload["tokens"]) == incident["tokens"]
    assert OFFICE not in str(incident)
    assert THIEF not in str(incident)


def test_what_was_found_is_not_found_again_with_nobody_elsewhere(two: Two, world: Any) -> None:
    """Found as the first place asked, which goes on alone once an hour, and moves in the end."""
    for address, later in ((OFFICE, 156), (THIEF, 156), (OFFICE, 12), (THIEF, 12), (OFFICE, 144)):
        assert two.ask(address, later=later * SECOND).status_code == 200
    assert len(world.entries("incident")) == 1
    assert two.statuses(*[OFFICE] * 5, later=HOUR) == [200] * 5
    assert two.statuses(CAFE) == [200]
    assert len(world.entries("incident")) == 1


def test_a_made_up_server_beside_the_whole_deployment_hides_nobody(two: Two, world: Any) -> None:
    ways = [[world.base], [world.base, f"{world.base}/mcp/zzz"]] * 2
    said = [two.ask(where, resource=way).status_code for where, way in zip([OFFICE, THIEF] * 2, ways, strict=True)]
    assert said == [200, 200, 200, 400]


def test_it_is_said_once_however_often_the_second_asks(two: Two, world: Any) -> None:
    said = two.statuses(OFFICE, THIEF, OFFICE, THIEF, THIEF, OFFICE, THIEF, CAFE)
    assert said == [200, 200, 200, 400, 400, 200, 400, 400]
    assert len(world.entries("incident")) == len(two.noticed()) == 1
    assert len(world.entries("refused")) == 4


def test_the_second_may_when_the_first_is_gone(two: Two) -> None:
    """A copy that moved after all. That it was so stays said until a person looked."""
    assert two.statuses(OFFICE, THIEF, OFFICE, THIEF)[-1] == 400
    assert two.statuses(*([THIEF] * 14), later=MINUTE) == [400] * 14
    two.world.clock.at += HELD
    assert two.statuses(THIEF, THIEF) == [200, 200]
    (noticed,) = two.noticed()
    two.agents.signal(BOT, noticed.signal, about=noticed.about, on=False, by=Actor(by="dana"))
    assert two.noticed() == ()


def test_the_first_keeps_the_second_out_for_as_long_as_it_goes_on(two: Two) -> None:
    assert two.statuses(OFFICE, THIEF, OFFICE, THIEF)[-1] == 400
    for _ in range(10):
        assert two.statuses(OFFICE, THIEF, later=4 * MINUTE) == [200, 400]


@pytest.mark.parametrize(
    "walk",
    [
        [OFFICE, CAFE, THIEF, "192.0.2.9"],
        [OFFICE, CAFE, OFFICE],
        [OFFICE, "2001:db8::1", OFFICE, "2001:db8::1", OFFICE],
        ["2001:db8::1", "2001:db8::2", "2001:db8::1", "2001:db8::2"],
        [OFFICE, OFFICE, OFFICE, OFFICE],
        ["unknown", OFFICE, "unknown", OFFICE],
    ],
)
def test_a_machine_on_its_way_is_no_conflict(two: Two, walk: list[str]) -> None:
    assert two.statuses(*walk) == [200] * len(walk)
    assert two.noticed() == ()


def test_a_copy_behind_a_nat_of_several_addresses_renews(two: Two) -> None:
    """It asks when its token ends, from whichever address."""
    assert two.statuses(*([OFFICE, CAFE] * 10), later=270 * SECOND) == [200] * 20
    assert two.noticed() == ()


def test_addresses_that_the_operator_calls_one_place(two: Two) -> None:
    two.service._elsewhere = Elsewhere(
        writer=two.world.database.writer, records=two.service._records, signaller=two.agents,
        together=(ip_network("192.0.2.0/24"),),
    )  # fmt: skip
    assert two.statuses(*(["192.0.2.1", "192.0.2.2"] * 4)) == [200] * 8


def test_copies_with_keys_of_their_own_are_none(two: Two, world: Any) -> None:
    other = world.new_key()
    for _ in range(4):
        assert two.ask(OFFICE).status_code == 200
        assert two.ask(THIEF, key=other).status_code == 200
    assert two.noticed() == ()


def test_a_request_that_was_overheard_moves_nobody(two: Two, world: Any) -> None:
    """A replay gets no token, and what got none is not remembered: nobody is locked out by it."""
    form, proof = world.form(), world.proof()
    body, sent = urlencode(form), {"content-type": MEDIA_TYPE, "dpop": proof}

    def post(address: str) -> int:
        with TestClient(two.app, base_url=world.base, client=(address, 1)) as client:
            return int(client.post("/oauth2/token", content=body, headers=sent).status_code)

    assert post(OFFICE) == 200
    for _ in range(4):
        assert post(THIEF) == 401
        assert two.ask(OFFICE).status_code == 200
    assert two.noticed() == ()


def test_an_address_that_the_client_makes_up_is_not_believed(two: Two) -> None:
    """Only a trusted proxy says who asks through it; then it is the client that counts, not the proxy."""
    for address in (OFFICE, THIEF, OFFICE, THIEF):
        assert two.ask(OFFICE, heard=address).status_code == 200
    proxies = trusted(["10.0.0.5"])

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            proxies.pass_on(scope)
        await two.app(scope, receive, send)

    said = [
        two.ask("10.0.0.5", app=behind, heard=f"6.6.6.6, {each}").status_code for each in (OFFICE, THIEF, OFFICE, THIEF)
    ]
    assert said == [200, 200, 200, 400]


def test_of_many_at_once_it_is_said_once(two: Two, world: Any) -> None:
    two.statuses(OFFICE, THIEF, OFFICE, later=SECOND)

    def question(_number: int) -> Ask:
        form = parse_form(urlencode(world.form()).encode(), media_type=MEDIA_TYPE)
        proof = world.proof()
        return lambda: two.service.answer(_asked(form, proof, world))

    won, lost = at_once(8, question)
    assert (won, [each.reason for each in lost]) == ([], ["instance_conflict"] * 8)
    assert len(world.entries("incident")) == 1


def _asked(form: Any, proof: str, world: Any) -> Any:
    return Asked(form=form, url=f"{world.base}/oauth2/token", dpop=proof, address=THIEF)


def test_what_cannot_be_written_down_is_found_again(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    two.statuses(OFFICE, THIEF, OFFICE)
    with monkeypatch.context() as broken:

        def fail(*_: Any, **__: Any) -> None:
            raise StorageUnavailable("the disk is full")

        broken.setattr(elsewhere_module, "revoke", fail)
        assert two.ask(THIEF).status_code == 503
    assert two.noticed() == ()
    assert two.ask(THIEF).status_code == 400
    assert len(two.noticed()) == 1


def test_who_is_held_out_is_so_for_whatever_else_it_asks(two: Two, world: Any) -> None:
    """Its run goes on, so another resource of it would need no change of state: it is asked all the same."""
    assert two.statuses(OFFICE, THIEF, OFFICE, THIEF) == [200, 200, 200, 400]
    answer = two.ask(THIEF, resource=f"{world.base}/mcp/other")
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")
    assert two.ask(OFFICE, resource=f"{world.base}/mcp/other").status_code == 200


def test_the_same_resources_in_another_order_or_by_another_name_are_the_same(two: Two, world: Any) -> None:
    one, other = f"{world.base}/mcp/payments", f"{world.base}/mcp/mail"
    ways = [[one, other], [other, one], [f"{world.base}/servers/payments/mcp", other], [one, other]]
    said = [two.ask(where, resource=way).status_code for where, way in zip([OFFICE, THIEF] * 2, ways, strict=True)]
    assert said == [200, 200, 200, 400]


def test_two_agents_of_one_key_are_not_one_that_goes_to_and_fro(two: Two, world: Any) -> None:
    """Each stays where it is; that they show the same key is no sign that either was copied."""
    own = world.new_key()
    world.register(world.agent("other-bot", own, "pay-invoices"))
    for _ in range(4):
        assert two.ask(OFFICE).status_code == 200
        assert two.ask(CAFE, client_assertion=world.assertion("other-bot", key=own)).status_code == 200
    assert two.noticed() == ()


def test_what_another_agent_does_with_the_key_takes_nothing_from_this_one(two: Two, world: Any) -> None:
    """Else whoever has an agent and a copied key puts another one out, in silence."""
    own = world.new_key()
    world.register(world.agent("other-bot", own, "pay-invoices"))
    two.know("other-bot")
    mine = two.ask(OFFICE)
    asked = [
        two.ask(where, client_assertion=world.assertion("other-bot", key=own)).status_code
        for where in (THIEF, CAFE, THIEF, CAFE)
    ]
    assert asked == [200, 200, 200, 400]
    assert not two.taken_back(mine)
    assert two.ask(OFFICE).status_code == 200
    assert two.noticed() == ()


def test_who_came_first_by_the_other_family_is_looked_at_by_this_one(two: Two) -> None:
    assert two.ask("2001:db8::1", later=6 * MINUTE).status_code == 200
    assert two.statuses(OFFICE, THIEF, OFFICE, THIEF) == [200, 200, 200, 400]


def test_uses_are_not_remembered_without_end(two: Two, world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elsewhere_module, "_MOST", 2)
    keys = [world.new_key() for _ in range(2)]
    world.change(BOT, agent_max_instances=9)
    for key in (keys[0], keys[1], keys[0], world.new_key()):
        assert two.ask(OFFICE, key=key).status_code == 200
    for known in ([use[0] for use in two.elsewhere._trails], list(two.elsewhere._had)):
        assert len(known) == 2
        copies = [f"{BOT} {each.public.thumbprint}" for each in keys]
        assert (copies[0] in known, copies[1] in known) == (True, False)


def test_of_one_key_the_tokens_that_live_are_remembered_and_no_more_than_a_bound(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere_module, "_MOST_HAD", 3)
    two.statuses(*[OFFICE] * 5)
    (had,) = two.elsewhere._had.values()
    assert len(had) == 3
    two.world.clock.at += TOKEN_LIFETIME
    two.ask(OFFICE)
    (had,) = two.elsewhere._had.values()
    assert len(had) == 1
