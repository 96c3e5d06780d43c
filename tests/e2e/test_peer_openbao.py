"""The OpenBao that other tests stand on is a real one; needs PyPI."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from tests.real.openbao import OpenBao, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_it_encrypts_and_keeps_a_token_to_its_policy(openbao: OpenBao) -> None:
    openbao.mount("peer-transit", "transit")
    openbao.done("POST", "peer-transit/keys/one", {})
    openbao.policy("peer-one", 'path "peer-transit/encrypt/one" { capabilities = ["update"] }')
    token = openbao.token_for("peer-one")
    asked = {"plaintext": base64.b64encode(b"text").decode()}
    status, said = openbao.call("POST", "peer-transit/encrypt/one", asked, token=token)
    assert (status, said["data"]["ciphertext"][:9]) == (200, "vault:v1:")
    ciphertext = {"ciphertext": said["data"]["ciphertext"]}
    assert openbao.call("POST", "peer-transit/decrypt/one", ciphertext, token=token)[0] == 403
    assert openbao.done("POST", "peer-transit/decrypt/one", ciphertext)["data"] == asked


def test_who_has_a_role_gets_a_token_of_its_policies(openbao: OpenBao) -> None:
    openbao.policy("peer-two", 'path "sys/mounts" { capabilities = ["read"] }')
    role, secret = openbao.approle("peer", "peer-two")
    status, said = openbao.call("POST", "auth/approle/login", {"role_id": role, "secret_id": secret}, token="")
    assert status == 200
    assert openbao.call("GET", "sys/mounts", token=said["auth"]["client_token"])[0] == 200


def test_it_is_sealed_and_unsealed(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        server.seal()
        assert server.call("GET", "sys/mounts")[0] == 503
        server.unseal()
        assert server.call("GET", "sys/mounts")[0] == 200
    assert server.process.returncode is not None
