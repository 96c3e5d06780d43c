"""The bench of AWS access keys."""

from __future__ import annotations

import itertools
from typing import Any

from tests.contract.rotating import Bench, Sending
from tests.real.moto import Moto

from remit.kernel.clock import MINUTE, Clock, Instant, SystemClock
from remit.keys.secret import Secret
from remit.vault.model import Material
from remit.vault.rotator import Plan
from remit.vault.rotators.aws import AwsAccessKey

_count = itertools.count()
MAY = ("iam:ListAccessKeys", "iam:CreateAccessKey", "iam:UpdateAccessKey", "iam:DeleteAccessKey")


class Later:
    """A clock that is ahead: what was begun when the system's clock says so began some minutes ago."""

    def __init__(self, minutes: int) -> None:
        self._by = minutes * MINUTE
        self._clock = SystemClock()

    def now(self) -> Instant:
        return Instant(self._clock.now() + self._by)


class AwsBench(Bench):
    """A user of its own with one key, and an administrator who may change keys."""

    kinds = (
        "silent", "closes", "no HTTP", "page", "number", "empty object", "half", "500", "503", "redirect", "too long",
        "entities",
    )  # fmt: skip
    proposes = False

    def __init__(self, server: Moto) -> None:
        self.server = server
        mine = next(_count)
        self.user = f"payments-{mine}"
        self.begun = server.user(self.user, "sts:GetCallerIdentity")
        self.key = server.user(f"remit-{mine}", *MAY)
        self.settings = {"user": self.user, "admin": "aws-admin", "endpoint_url": f"{server.url}/"}

    def rotator(self, *, seconds: float = 9.0, clock: Clock | None = None) -> AwsAccessKey:
        # Two minutes on, no key of this rotation may be unknown any more.
        return AwsAccessKey(Sending(), clock or Later(2), seconds=seconds)

    def plan(self, current: Material | None, *known: Material, **said: Any) -> Plan:
        return super().plan(current, *known, **{"started": SystemClock().now(), **said})

    def first(self) -> Material:
        return material(self.begun)

    def works(self, it: Material) -> bool:
        pair = (it.attributes["access_key_id"], it.value.text())
        return self.server.identity(*pair) == self.user

    def count(self) -> int:
        return len(self.ids())

    def ids(self) -> list[str]:
        said = self.server.call("list_access_keys", UserName=self.user)
        return [each["AccessKeyId"] for each in said["AccessKeyMetadata"]]

    def admin(self, name: str) -> Material:  # noqa: ARG002 - the port's
        return material(self.key)

    def denied(self) -> Material:
        return material(self.server.user(f"{self.user}-other-{next(_count)}"))

    def at(self, port: int) -> dict[str, Any]:
        return {**self.settings, "endpoint_url": f"http://127.0.0.1:{port}/"}


def material(key: tuple[str, str]) -> Material:
    """A key as a version of a secret."""
    return Material(value=Secret(key[1]), attributes={"access_key_id": key[0]})
