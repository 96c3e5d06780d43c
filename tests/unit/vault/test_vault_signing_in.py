"""Where a rotator or a maker shows the secret that it signs in with (pure), and that its document holds there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from tests.unit.vault.rotation_world import CHOSEN, FIRST, NAME, NOON, World

from remit.kernel.names import AgentName, InstanceId, OwnerName
from remit.keys.secret import Secret
from remit.server.compose_rotators import admins
from remit.server.leasing import Leasing
from remit.storage.ports import Transaction
from remit.vault.allowed import Going
from remit.vault.document import Allowed, SecretDocument
from remit.vault.document_json import text
from remit.vault.lease import Lease, LeaseState
from remit.vault.model import Material, SecretUnavailable, topic
from remit.vault.signing_in import signs_in_at
from remit.vault.sql import SqlSecrets


@pytest.mark.parametrize(
    ("name", "settings", "hosts"),
    [
        ("http", CHOSEN, ["keys.test:443"]),
        ("http", {**CHOSEN, "leftovers": {"url": "http://other.test/"}}, ["keys.test:443", "other.test:80"]),
        ("http", {"verify": {"url": "https://a.test"}, "create": {"url": "https://b.test"}}, ["b.test:443"]),
        ("http", {"confirm": {"url": "https://a.test", "headers": {"X": "{value}"}}}, [""]),
        ("http", {"confirm": {"url": "https://a.test"}}, ["a.test:443"]),
        ("oauth_client", {"token_url": "https://a.test", "secrets": "https://b.test/s"}, ["b.test:443"]),
        ("openbao", {"url": "https://bao.test:8200"}, ["bao.test:8200"]),
        ("aws", {"user": "u"}, ["iam.amazonaws.com:443"]),
        ("aws", {"user": "u", "region": "cn-north-1"}, ["iam.cn-north-1.amazonaws.com.cn:443"]),
        ("aws", {"user": "u", "endpoint_url": "http://127.0.0.1:5000"}, ["127.0.0.1:5000"]),
        ("postgres", {"host": "db.test"}, ["db.test:5432"]),
        ("postgres", {"host": "::1", "port": 6000}, ["[::1]:6000"]),
        ("postgres", {}, [""]),
    ],
)
def test_every_place_that_an_admin_is_shown_at(name: str, settings: dict[str, Any], hosts: list[str]) -> None:
    found = signs_in_at(name, settings)
    assert sorted({each.host for each in found}) == hosts
    assert {each.place for each in found} == {"rotation"}


@pytest.mark.parametrize(
    ("allow", "at", "opens"),
    [
        ((), "evil.test:443", True),  # nothing says where it may go
        ((Allowed(host="keys.test"),), "keys.test:443", True),
        ((Allowed(place="rotation"),), "evil.test:443", True),
        ((Allowed(host="keys.test"),), "evil.test:443", False),
        ((Allowed(host="keys.test", place="rotation"),), "evil.test:443", False),
        ((Allowed(host="keys.test", place="header:X"),), "keys.test:443", False),
        ((Allowed(host="keys.test"),), "", False),  # it is not known where
    ],
)
def test_an_admin_opens_only_where_its_document_lets_it(allow: tuple[Allowed, ...], at: str, opens: bool) -> None:  # noqa: FBT001 - the expectation
    world = World(CHOSEN)

    def document(tx: Transaction) -> None:
        said = SecretDocument(secret=NAME, owner=OwnerName("dana"), allow=allow)
        SqlSecrets(tx.connection).put_document(NAME, text(said))
        tx.touch(topic(NAME))

    world.writer.change(document)
    admin, places = admins(world.vault), (Going(host=at, place="rotation"),) if at else ()
    if opens:
        assert admin(NAME, at=places).value.text() == world.lent()
        return
    with pytest.raises(SecretUnavailable):
        admin(NAME, at=places)


def test_a_rotator_is_given_an_admin_for_its_own_addresses_alone() -> None:
    world, asked = World({**CHOSEN, "admin": "root"}), list[tuple[str, list[str]]]()

    def admin(name: str, *, at: Sequence[Going]) -> Material:
        asked.append((name, sorted({each.host for each in at})))
        return Material(value=Secret(FIRST))

    world.nodes[0].admin = admin
    world.ask()
    world.tick()
    assert {(name, *hosts) for name, hosts in asked} == {("root", "keys.test:443")}


def test_a_maker_is_given_an_admin_for_its_own_addresses_alone() -> None:
    asked: list[list[str]] = []

    def admin(name: str, *, at: Sequence[Going]) -> Material:
        assert name == "root"
        asked.append([each.host for each in at])
        return Material(value=Secret(FIRST))

    nothing: Any = None
    leasing = Leasing(
        leases=nothing, makers={}, admin=admin, dynamic=nothing, allows=nothing, standing=nothing, writer=nothing,
        clock=nothing, node=nothing,
    )  # fmt: skip
    it = Lease(
        lease="lea_1", secret=NAME, agent=AgentName("bot"), instance=InstanceId("i"), state=LeaseState.MAKING,
        maker="postgres", settings={"host": "db.test", "admin": "root"}, purpose="p", action="a", node="n", made=NOON,
        since=NOON, ends=NOON,
    )  # fmt: skip
    leasing.order(it).admin("root")
    assert asked == [["db.test:5432"]]
