"""The bench of AppRole secret ids."""

from __future__ import annotations

import itertools
from typing import Any

from tests.contract.rotating import Bench, Sending
from tests.real.openbao import OpenBao

from remit.keys.secret import Secret
from remit.vault.model import Material
from remit.vault.rotators.openbao import OpenBaoSecretId

_count = itertools.count()
MAY = """
path "auth/approle/role/%s/custom-secret-id" { capabilities = ["update"] }
path "auth/approle/role/%s/secret-id/lookup" { capabilities = ["update"] }
path "auth/approle/role/%s/secret-id/destroy" { capabilities = ["update"] }
"""


class OpenBaoBench(Bench):
    """A role of its own, and an administrator who may change its secret ids and nothing else."""

    kinds = (
        "silent", "closes", "no HTTP", "page", "number", "empty object", "half", "500", "503", "redirect", "too long",
    )  # fmt: skip

    def __init__(self, server: OpenBao) -> None:
        self.server = server
        self.name = f"payments-{next(_count)}"
        self.role_id, self.begun = server.approle(self.name, "default")
        server.policy(f"{self.name}-admin", MAY.replace("%s", self.name))
        self.token = server.token_for(f"{self.name}-admin")
        self.settings = {
            "url": server.address, "role": self.name, "role_id": self.role_id, "admin": "bao-admin",
        }  # fmt: skip

    def rotator(self, *, seconds: float = 9.0) -> OpenBaoSecretId:
        return OpenBaoSecretId(Sending(), seconds=seconds)

    def first(self) -> Material:
        return Material(value=Secret(self.begun), attributes={"role_id": self.role_id})

    def works(self, it: Material) -> bool:
        body = {"role_id": it.attributes["role_id"], "secret_id": it.value.text()}
        return self.server.call("POST", "auth/approle/login", body, token="")[0] == 200

    def count(self) -> int:
        return len(self.accessors())

    def accessors(self) -> list[str]:
        status, said = self.server.call("LIST", f"auth/approle/role/{self.name}/secret-id")
        return list(said["data"]["keys"]) if status == 200 else []

    def admin(self, name: str) -> Material:  # noqa: ARG002 - the port's
        return Material(value=Secret(self.token))

    def denied(self) -> Material:
        return Material(value=Secret(self.server.token_for("default")))

    def at(self, port: int) -> dict[str, Any]:
        return {**self.settings, "url": f"http://127.0.0.1:{port}"}
