"""A real OpenBao's transit key opens a database, with the policy of the how-to; needs PyPI."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from tests.e2e.running import Home
from tests.e2e.test_e2e_key_providers import NEW, checks, written
from tests.e2e.test_e2e_keys import kids
from tests.real.openbao import OpenBao, running

from remit.kernel.errors import ConfigInvalid, KeyfileMissing, KeyfileUnsafe, KeyfileWrong, KeysUnavailable, RemitError
from remit.keys.held import AppRole, TransitKey
from remit.keys.transit import TransitProvider

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "keep-the-key-in-openbao.md"
AAD = b"place"
_numbers = itertools.count(1)


def policy() -> str:
    """What the how-to says Remit needs."""
    found = HOW_TO.read_text("utf-8").partition("```hcl\n")[2].partition("```")[0]
    assert "transit/decrypt/remit" in found
    return found


def prepared(server: OpenBao) -> str:
    """A token that may do what the how-to says, to a key that is there."""
    server.mount("transit", "transit")
    server.done("POST", "transit/keys/remit", {"type": "aes256-gcm96"})
    server.policy("remit", policy())
    return server.token_for("remit")


def held(server: OpenBao, folder: Path, token: str, **changed: object) -> TransitKey:
    path = written(folder / "own" / f"token-{next(_numbers)}", token)
    return TransitKey(**{"address": server.address, "key": "remit", "who": path, **changed})  # type: ignore[arg-type]


def test_a_database_is_opened_by_it_also_after_it_was_sealed_and_its_key_rotated(home: Home, tmp_path: Path) -> None:
    with running(tmp_path) as server:
        written(home.path / "own" / "token", prepared(server))
        text = f"transit: {{address: '{server.address}', key: remit, token_file: token}}\n"
        file = str(written(home.path / "own" / "bao.yaml", text, 0o644))
        with home.up("--key-provider", file):
            before = kids(home)
            assert checks(home)["transit"]["status"] == "ok"
            server.seal()
            said = checks(home)["transit"]
            assert (said["status"], "sealed" in said["detail"], len(kids(home))) == ("warn", True, len(before))
        refused = home.remit(*NEW, "--key-provider", file)
        assert (refused.code, refused.json["error"]["code"]) == (7, "storage_unavailable")
        server.unseal()
        server.done("POST", "transit/keys/remit/rotate", {})
        with home.up("--key-provider", file):
            assert kids(home) == before
        # Wrapped anew, the version of before is needed no more.
        done = home.remit("key", "rewrap", "--key-provider", file, "--to-key-provider", file)
        assert done.code == 0, done.err
        server.done("POST", "transit/keys/remit/config", {"min_decryption_version": 2})
        with home.up("--key-provider", file):
            assert kids(home) == before


def test_each_thing_that_can_be_wrong_is_told_apart(openbao: OpenBao, tmp_path: Path) -> None:
    token = prepared(openbao)
    good = held(openbao, tmp_path, token)
    wrapped = TransitProvider(good).wrap(b"root", aad=AAD)
    openbao.mount("other", "transit")
    for name, kind in (("remit", {}), ("loose", {"exportable": True}), ("rsa", {"type": "rsa-2048"})):
        openbao.done("POST", f"other/keys/{name}", kind)
    openbao.policy("all", 'path "*" { capabilities = ["create", "read", "update"] }')
    root = openbao.token_for("all")
    cases: list[tuple[type[RemitError], TransitKey]] = [
        (KeyfileWrong, held(openbao, tmp_path, root, mount="other")),  # another key of the same name
        (KeyfileWrong, held(openbao, tmp_path, "s.no-such-token")),
        (KeyfileWrong, held(openbao, tmp_path, token, mount="other")),  # no policy for it
        (KeyfileWrong, held(openbao, tmp_path, root, key="absent")),
    ]
    for problem, at in cases:
        with pytest.raises(problem) as caught:
            TransitProvider(at).unwrap(wrapped, aad=AAD)
        assert token not in f"{caught.value.public} {caught.value.detail}"
    for problem, at in (
        (KeyfileMissing, held(openbao, tmp_path, root, key="absent")),
        (KeyfileMissing, held(openbao, tmp_path, root, mount="nowhere")),
        (KeyfileUnsafe, held(openbao, tmp_path, root, mount="other", key="loose")),
        (ConfigInvalid, held(openbao, tmp_path, root, mount="other", key="rsa")),
    ):
        with pytest.raises(problem):
            TransitProvider(at).wrap(b"root", aad=AAD)
    assert openbao.call("GET", "transit/keys/absent")[0] == 404  # OpenBao makes what is encrypted with: not for us
    assert TransitProvider(good).unwrap(wrapped, aad=AAD) == b"root"


def test_a_roles_token_is_gone_after_its_use(openbao: OpenBao, tmp_path: Path) -> None:
    prepared(openbao)
    role, secret = openbao.approle("remit", "remit", "default")
    who = AppRole(role_id=role, secret_id_file=written(tmp_path / "own" / "secret-id", secret))
    one = TransitProvider(TransitKey(address=openbao.address, key="remit", who=who))

    def tokens() -> int:
        return len(openbao.done("LIST", "auth/token/accessors")["data"]["keys"])

    before = tokens()
    assert one.unwrap(one.wrap(b"root", aad=AAD), aad=AAD) == b"root"
    assert tokens() == before
    with pytest.raises(KeyfileWrong, match="secret id"):
        TransitProvider(
            TransitKey(
                address=openbao.address, key="remit",
                who=AppRole(role_id=role, secret_id_file=written(tmp_path / "own" / "wrong", "no")),
            )
        ).health()  # fmt: skip


def test_over_tls_only_its_own_authority_is_believed(tmp_path: Path) -> None:
    with running(tmp_path, tls=True) as server:
        at = held(server, tmp_path, prepared(server), ca_file=server.ca_file)
        one = TransitProvider(at)
        assert one.unwrap(one.wrap(b"root", aad=AAD), aad=AAD) == b"root"
        with pytest.raises(KeysUnavailable, match="does not answer"):
            TransitProvider(TransitKey(address=server.address, key="remit", who=at.who)).health()
