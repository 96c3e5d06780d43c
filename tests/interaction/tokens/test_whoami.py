"""Who a token speaks for, told from the log of a real database: by the agent itself, and by who looks into it later."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from tests.abuse.delegation import Chain
from tests.interaction.tokens.token_world import purpose

from remit.audit.log import Log
from remit.audit.service import Recorder
from remit.kernel.clock import MINUTE, SECOND
from remit.kernel.errors import NotFound
from remit.keys.rotation import TOKEN, KeyState
from remit.people.model import Owner
from remit.server.accountable import Accountable
from remit.server.door import Ask
from remit.server.http_whoami import WhoamiDoors
from remit.server.me import Me
from remit.server.me_whoami import ME, MeWhoami, routes
from remit.server.operators import Operator
from remit.server.whoami import Whoami
from remit.tokens.refusals import BadTokens

pytestmark = pytest.mark.usefixtures("own_folders")

DANA = Operator(person="dana", roles=frozenset({"owner"}), behind="admin")


class Told:
    """What may be asked of a world."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.ended: set[str] = set()
        log = Log(world.database.reader, world.ring)
        self.freezes: set[tuple[str, str]] = set()
        self.whoami = Whoami(
            log=log, view=self.view, ended=self.ended.__contains__, clock=world.clock,
            signers=lambda: [each for each in world.ring.records if each.use == TOKEN],
        )  # fmt: skip
        self.doors = WhoamiDoors(
            whoami=self.whoami, checker=world.checker, accountable=cast("Accountable", None), clock=world.clock
        )
        recorder = Recorder(world.ring, world.clock, lambda: world.database.epoch)
        me = Me(
            base=world.base, path=ME, method="GET", checker=world.checker, writer=world.database.writer,
            records=recorder, bad_tokens=BadTokens(recorder), clock=world.clock,
        )  # fmt: skip
        self.app = Starlette(routes=routes(MeWhoami(me=me, whoami=self.whoami)))

    def view(self) -> Any:
        dana = Owner(owner="dana", name="Dana Reyes", email="d@example.test", backup=(), active=True)  # type: ignore[arg-type] # a name
        agents = {name: SimpleNamespace(agent=each.agent) for name, each in self.world.standing.agents.items()}
        purposes = {"pay-invoices": SimpleNamespace(purpose=purpose("pay-invoices"))}
        return SimpleNamespace(agents=agents, owners={"dana": dana}, purposes=purposes, freezes=self.freezes)

    def of(self, token: str) -> dict[str, Any]:
        return self.doors.token(Ask(operator=DANA, path={}, body={"token": token}))

    def ask(self, token: str, key: Any = None, scheme: str = "DPoP") -> Any:
        """As the agent."""
        headers = {"authorization": f"{scheme} {token}"}
        if key is not None:
            headers["dpop"] = self.world.proof("GET", f"{self.world.base}{ME}", token=token, key=key)
        with TestClient(self.app, base_url=self.world.base) as client:
            return client.get(ME, headers=headers)


@pytest.fixture
def told(world: Any) -> Told:
    return Told(world)


@pytest.fixture
def chain(world: Any) -> Chain:
    return Chain(world)


def test_an_agent_is_told_who_it_is(told: Told, world: Any) -> None:
    token = world.token()
    found = told.ask(token, world.instance_key)
    assert found.status_code == 200, found.text
    assert found.headers["cache-control"] == "no-store"
    said = found.json()
    (entry,) = world.entries("token")
    assert (said["agent"], said["version"], said["state"]) == ("invoice-bot", "1.4", "active")
    assert said["owner"] == {"owner": "dana", "name": "Dana Reyes"}
    assert (said["purpose"], said["statement"]) == ("pay-invoices", "Pay supplier invoices")
    assert said["attested"] == {"method": "private_key_jwt", "credential": world.client_key.public.thumbprint}
    for name in ("instance", "run", "txn", "expires", "run_ends"):
        assert said[name] == entry[name]
    assert (said["token"], said["live"]) == (entry["id"], True)
    (itself,) = said["chain"]
    assert itself == {
        "agent": "invoice-bot", "instance": entry["instance"], "run": entry["run"], "token": entry["id"],
    }  # fmt: skip


def test_who_only_copied_the_token_is_told_nothing(told: Told, world: Any) -> None:
    token = world.token()
    assert told.ask(token, scheme="Bearer").status_code == 401
    assert told.ask(token, world.new_key()).status_code == 401
    assert told.ask(world.forge(token, claims={"client_id": "helper"}), world.instance_key).status_code == 401
    proof = {"dpop": world.proof("GET", f"{world.base}{ME}", token=token), "authorization": f"DPoP {token}"}
    with TestClient(told.app, base_url=world.base) as client:
        assert [client.get(ME, headers=proof).status_code for _ in range(2)] == [200, 401]


def test_a_token_for_one_server_will_do(told: Told, world: Any) -> None:
    assert told.ask(world.bearer(), scheme="Bearer").json()["agent"] == "plain-bot"


def test_the_whole_chain_the_one_who_acts_first(told: Told, world: Any, chain: Chain) -> None:
    top = world.token()
    helper = chain.acting("helper", top)
    aide = chain.acting("aide", helper)
    said = told.of(aide)
    assert [each["agent"] for each in said["chain"]] == ["aide", "helper", "invoice-bot"]
    ids = [world.checker.read(token, now=world.now).caller for token in (aide, helper, top)]
    expected = [{"agent": c.agent, "instance": c.instance, "run": c.run, "token": c.token} for c in ids]
    assert said["chain"] == expected
    assert {told.of(each)["txn"] for each in (aide, helper, top)} == {said["txn"]}
    assert said["delegation"] == ids[0].delegation
    assert told.ask(aide, chain.proofs["aide"]).json() == said


def test_after_the_token_is_over_its_id_still_leads_to_it(told: Told, world: Any, chain: Chain) -> None:
    helper = chain.acting("helper", world.token())
    number = world.checker.read(helper, now=world.now).caller.token
    before = told.of(helper)
    world.clock.at += 10 * MINUTE
    with pytest.raises(NotFound, match="still lives"):
        told.of(helper)
    assert told.of(number) == {**before, "live": False}


def test_what_ended_above_is_over_below(told: Told, world: Any, chain: Chain) -> None:
    top = world.token()
    helper = chain.acting("helper", top)
    assert told.of(helper)["live"]
    told.ended.add(world.checker.read(top, now=world.now).caller.run)
    assert not told.of(helper)["live"]


def test_after_an_emergency_no_token_of_before_is_live(told: Told, world: Any) -> None:
    token = world.token()
    assert told.of(token)["live"]
    world.clock.at += SECOND
    old = [replace(each, state=KeyState.RETIRED, distrusted=True) for each in world.ring.records]
    active = next(each for each in world.ring.records if each.use == TOKEN)
    world.ring.records = (*old, replace(active, kid="other", created=world.now))
    assert not told.of(token)["live"]


def test_what_is_frozen_is_said(told: Told, world: Any, chain: Chain) -> None:
    token = chain.acting("helper", world.token())
    told.freezes |= {("agent", "invoice-bot"), ("agent", "plain-bot")}
    assert told.of(token)["frozen"] == ["agent invoice-bot"]
    told.freezes.clear()
    assert "frozen" not in told.of(token)


def test_a_credential_that_was_taken_away_has_no_method(told: Told, world: Any) -> None:
    token = world.token()
    world.change("invoice-bot", agent_keys=())
    assert told.of(token)["attested"]["method"] is None


@pytest.mark.parametrize("token", ["tok_nothing", "", "a.b.c", "not a token"])
def test_what_is_no_token(told: Told, token: str) -> None:
    with pytest.raises(NotFound):
        told.of(token)


def test_the_id_of_another_kind_of_entry_is_no_token(told: Told, world: Any) -> None:
    assert world.post(world.form(scope="purpose:other")).status_code == 400
    (refused,) = world.entries("refused")
    with pytest.raises(NotFound):
        told.whoami.of(refused["id"])


def test_an_operator_is_told_too(told: Told) -> None:
    assert told.doors.operator(Ask(operator=DANA, path={})) == {
        "person": "dana", "roles": ["owner"], "behind": "admin",
    }  # fmt: skip
