"""What becomes of secrets is told of the agents that reach their servers, raised and ended by how the secrets are."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.interaction.apply_world import DANA, Tree
from tests.interaction.calling_world import BOT, CallingWorld

from remit.agents.signals import RISKS, Signal
from remit.certification.noticing.credentials import Credentials
from remit.kernel.clock import DAY
from remit.kernel.names import SecretName
from remit.keys.keyfile import KeyfileProvider
from remit.keys.secret import Secret
from remit.keys.service import KeyRing
from remit.vault.service import Vault

NAME = SecretName("payments-key")
ABOUT = "remit: secret payments-key at payments"
ROTATE = {
    "every": "30d",
    "http": {
        "propose": {"length": 40, "attributes": {"id": "{rotation}"}},
        "create": {"method": "PUT", "url": "http://127.0.0.1:9000/keys/{id}", "body": {"key": "{value}"}},
        "verify": {"url": "http://127.0.0.1:9000/me", "headers": {"X-Key": "{value}"}},
        "revoke": {"method": "DELETE", "url": "http://127.0.0.1:9000/keys/{id}"},
    },
}


class World(CallingWorld):
    """`invoice-bot` at a server that gets a secret, which is to be changed each month."""

    def __init__(self, folder: Path) -> None:
        tree = Tree()
        super().__init__(tree)
        tree.server["credential"] = {"secret": NAME}
        tree.secrets = [{"secret": NAME, "owner": "dana", "rotate": ROTATE}]
        self.rig.applier.apply(tree.documents(), by=DANA)
        writer, provider = self.rig.writer, KeyfileProvider.create(folder / "k" / "keyfile")
        writer.change(lambda tx: KeyRing.create(tx, provider, now=self.rig.clock.now()))
        keys = writer.read(lambda connection: KeyRing.open(connection, provider))
        self.vault = Vault(keys)
        writer.read(self.vault.reload)
        writer.feed.subscribe(keys.follow)
        writer.feed.subscribe(self.vault.follow)
        self.credentials = Credentials(
            vault=self.vault, view=self.facts.view, writer=writer, clock=self.rig.clock, signaller=self.rig.agents,
            servers=self.rig.catalog.servers,
        )  # fmt: skip

    def put(self, value: str) -> None:
        self.rig.writer.change(lambda tx: self.vault.put(tx, NAME, Secret(value), now=self.rig.clock.now()))

    def against(self) -> list[tuple[Signal, str]]:
        return [(each.signal, each.about) for each in self.facts.view().agents[BOT].risk.noticed]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_secret_that_is_overdue_is_a_risk_until_it_is_changed(world: World) -> None:
    world.put("the-first-value")
    world.later(33 * DAY)  # a tenth of the age beyond: a rotation takes its time
    assert (world.credentials.check(), world.against()) == (0, [])
    world.later(1)
    assert world.credentials.check() == 1
    assert world.against() == [(Signal.CREDENTIAL_POSTURE, ABOUT)]
    assert world.facts.view().agents[BOT].risk.value == RISKS[Signal.CREDENTIAL_POSTURE]
    assert world.credentials.check() == 0
    assert world.call("list_payees") == {"allow"}, "it stops nothing"
    world.put("the-second-value")
    assert world.credentials.check() == 1
    assert world.against() == []


def test_a_secret_that_is_exposed_is_no_risk_and_ends_with_the_next_version(world: World) -> None:
    world.put("the-first-value")
    writer, vault = world.rig.writer, world.vault
    now = world.rig.clock.now()
    writer.change(lambda tx: vault.versions.expose(tx, vault.versions.find(tx, NAME, 1), "seen", now=now))
    assert world.credentials.check() == 1
    assert world.against() == [(Signal.CREDENTIAL_EXPOSED, ABOUT)]
    assert world.facts.view().agents[BOT].risk.value == 0
    world.put("the-second-value")
    assert world.credentials.check() == 1
    assert world.against() == []
