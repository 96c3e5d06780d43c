"""A transit engine that delays, fails, lies, or is another's: what is refused, and in which words."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.authority import OwnAuthority
from tests.contract.held_keys import written
from tests.real.fake_transit import Said, Transit, fake_transit, json_of

from remit.kernel.errors import ConfigInvalid, KeyfileMissing, KeyfileUnsafe, KeyfileWrong, KeysUnavailable, RemitError
from remit.keys import transit_wire
from remit.keys.held import AppRole, TransitKey
from remit.keys.transit import TransitProvider
from remit.outbound.model import OutboundRefused, Patience

AAD = b"place"


@pytest.fixture
def engine() -> Iterator[Transit]:
    with fake_transit() as found:
        yield found


def key(engine: Transit, folder: Path, **changed: Any) -> TransitKey:
    token = written(folder / "own" / "token", engine.token + "\n") if not (folder / "own" / "token").exists() else None
    return TransitKey(
        **{"address": engine.address, "key": "remit", "who": token or folder / "own" / "token", **changed}
    )


def only(verb: str, said: Said) -> Callable[[str, dict[str, Any]], Said | None]:
    """What is told to answer so to this, and to nothing else."""
    return lambda path, _body: said if verb in path else None


def words(error: RemitError) -> str:
    return f"{error.public} {error.detail} {error.try_}"


def test_it_never_sees_the_root_key(engine: Transit, tmp_path: Path) -> None:
    seen: list[str] = []
    engine.instead = lambda _path, body: seen.append(str(body)) or None  # type: ignore[func-returns-value]
    one = TransitProvider(key(engine, tmp_path))
    root = bytes(range(32))
    assert one.unwrap(one.wrap(root, aad=AAD), aad=AAD) == root
    assert len(seen) == 4  # its key is looked at, wraps and opens again; then opens
    assert base64.b64encode(root).decode() not in "".join(seen)


def test_what_it_answers_is_not_believed(engine: Transit, tmp_path: Path) -> None:
    one = TransitProvider(key(engine, tmp_path))
    wrapped = one.wrap(b"root", aad=AAD)
    for plain in (b"x" * 32, b"", b"x" * 31, b"x" * 64):
        said = json_of(200, {"data": {"plaintext": base64.b64encode(plain).decode()}})
        engine.instead = only("decrypt", said)
        with pytest.raises(KeyfileWrong):
            one.unwrap(wrapped, aad=AAD)
        with pytest.raises(KeyfileWrong, match="does not open again"):
            one.wrap(b"root", aad=AAD)


@pytest.mark.parametrize(
    "said",
    [
        (200, b""), (200, b"<html>hello</html>"), (200, b"[]"), (200, b'{"data": {"plaintext": 1, "plaintext": 2}}'),
        (400, b"no json"), (404, b"not here"),
    ],
)  # fmt: skip
def test_what_is_no_such_engine_is_named_so(engine: Transit, tmp_path: Path, said: Said) -> None:
    one = TransitProvider(key(engine, tmp_path))
    wrapped = one.wrap(b"root", aad=AAD)
    engine.instead = lambda _path, _body: said
    with pytest.raises(KeyfileWrong, match="no OpenBao"):
        one.unwrap(wrapped, aad=AAD)


@pytest.mark.parametrize("data", [{}, {"plaintext": None}, {"plaintext": "!"}, {"ciphertext": 5}, {"ciphertext": "é"}])
def test_an_answer_to_another_question_is_none(engine: Transit, tmp_path: Path, data: dict[str, Any]) -> None:
    one = TransitProvider(key(engine, tmp_path))
    wrapped = one.wrap(b"root", aad=AAD)
    engine.instead = lambda path, _body: None if "keys" in path else json_of(200, {"data": data})
    with pytest.raises(KeyfileWrong):
        one.unwrap(wrapped, aad=AAD)
    with pytest.raises(KeyfileWrong):
        one.wrap(b"root", aad=AAD)


@pytest.mark.parametrize(
    ("said", "match"),
    [
        (json_of(503, {"errors": ["Vault is sealed"]}), "is sealed"),
        (json_of(503, {"errors": ["no active node"]}), "answers 503"),
        (json_of(500, {"errors": ["internal error"]}), "answers 500"),
        (json_of(429, {"errors": []}), "answers 429"),
        ((307, b""), "answers 307"),  # a standby: the token goes nowhere else
        ((200, b"{" + b" " * 70_000 + b"}"), "does not answer"),
    ],
)
def test_what_passes_is_told_from_what_does_not(engine: Transit, tmp_path: Path, said: Said, match: str) -> None:
    one = TransitProvider(key(engine, tmp_path))
    wrapped = one.wrap(b"root", aad=AAD)
    engine.instead = lambda _path, _body: said
    engine.asked.clear()
    for asked in (lambda: one.unwrap(wrapped, aad=AAD), one.health):
        with pytest.raises(KeysUnavailable, match=match) as caught:
            asked()
        assert "start" in caught.value.try_
    assert len(engine.asked) == 2
    engine.instead = lambda _path, _body: None
    assert one.unwrap(wrapped, aad=AAD) == b"root"


def test_who_is_silent_is_not_waited_for(engine: Transit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transit_wire, "_PATIENCE", Patience(dial=3, silence=0.2))

    def silent(_path: str, _body: object) -> Said:
        engine.let_go.wait(60)
        return 500, b""

    one = TransitProvider(key(engine, tmp_path))
    wrapped = one.wrap(b"root", aad=AAD)
    engine.instead = silent
    with pytest.raises(KeysUnavailable, match="does not answer"):
        one.unwrap(wrapped, aad=AAD)


def test_nobody_listens(tmp_path: Path) -> None:
    with fake_transit() as engine:
        one = TransitProvider(key(engine, tmp_path))
        wrapped = one.wrap(b"root", aad=AAD)
    with pytest.raises(KeysUnavailable, match="does not answer") as caught:
        one.unwrap(wrapped, aad=AAD)
    assert engine.address.rpartition(":")[2] in caught.value.detail


def test_a_token_that_may_not_is_denied_and_not_shown(engine: Transit, tmp_path: Path) -> None:
    one = TransitProvider(key(engine, tmp_path))
    wrapped = one.wrap(b"root", aad=AAD)
    engine.token = "another"
    with pytest.raises(KeyfileWrong, match="denies") as caught:
        one.unwrap(wrapped, aad=AAD)
    assert "t0ken" not in words(caught.value)


def test_a_secret_that_comes_back_is_shown_to_nobody(engine: Transit, tmp_path: Path) -> None:
    one = TransitProvider(key(engine, tmp_path))

    def echo(_path: str, body: dict[str, Any]) -> Said | None:
        heard = [engine.headers.get("X-Vault-Token", ""), str(body.get("plaintext", ""))]
        return json_of(400, {"errors": [f"cannot {each}\x1b[2J" for each in heard]}) if body else None

    engine.instead = echo
    with pytest.raises(KeyfileWrong) as caught:
        one.wrap(b"root", aad=AAD)
    assert engine.token not in words(caught.value)
    assert caught.value.detail == "(its words are not shown)"
    engine.instead = lambda _path, _body: json_of(400, {"errors": ["red\x1b[2J\nalert"]})
    with pytest.raises(KeyfileWrong) as caught:
        one.wrap(b"root", aad=AAD)
    assert caught.value.detail == "red [2J alert"


def test_there_is_no_such_key_or_mount(engine: Transit, tmp_path: Path) -> None:
    for changed in ({"key": "absent"}, {"mount": "elsewhere"}):
        one = TransitProvider(key(engine, tmp_path, **changed))
        for asked in (one.health, lambda one=one: one.wrap(b"root", aad=AAD)):
            with pytest.raises(KeyfileMissing):
                asked()
    assert "absent" not in engine.keys  # nothing is made that nobody asked for
    made = TransitProvider(key(engine, tmp_path, key="absent", make=True))
    assert made.unwrap(made.wrap(b"root", aad=AAD), aad=AAD) == b"root"
    assert engine.keys["absent"]["type"] == "aes256-gcm96"


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"exportable": True}, KeyfileUnsafe), ({"allow_plaintext_backup": True}, KeyfileUnsafe),
        ({"exportable": None}, KeyfileUnsafe), ({"derived": True}, ConfigInvalid),
        ({"type": "rsa-4096"}, ConfigInvalid), ({"type": "aes256-cbc"}, ConfigInvalid),
    ],
)  # fmt: skip
def test_a_key_that_does_not_keep_wraps_nothing(
    engine: Transit, tmp_path: Path, changed: dict[str, Any], problem: type[RemitError]
) -> None:
    one = TransitProvider(key(engine, tmp_path))
    wrapped = one.wrap(b"root", aad=AAD)
    engine.keys["remit"].update(changed)
    for asked in (one.health, lambda: one.wrap(b"root", aad=AAD)):
        with pytest.raises(problem):
            asked()
    assert one.unwrap(wrapped, aad=AAD) == b"root"  # what is wrapped already is not lost for it


def test_a_role_gets_a_token_for_one_use(engine: Transit, tmp_path: Path) -> None:
    secret = written(tmp_path / "own" / "secret-id", "s3cret-id\n")
    given: list[dict[str, Any]] = []

    def login(path: str, body: dict[str, Any]) -> Said | None:
        if path == "auth/roles/login":
            given.append(body)
            good = body == {"role_id": "remit", "secret_id": "s3cret-id"}
            said = {"auth": {"client_token": engine.token}} if good else {"errors": ["invalid secret id s3cret-id"]}
            return json_of(200 if good else 400, said)
        return (204, b"") if path == "auth/token/revoke-self" else None

    engine.instead = login
    who = AppRole(role_id="remit", secret_id_file=secret, mount="roles")
    one = TransitProvider(key(engine, tmp_path, who=who, namespace="team"))
    assert one.unwrap(one.wrap(b"root", aad=AAD), aad=AAD) == b"root"
    assert engine.headers["X-Vault-Namespace"] == "team"
    assert [path for _, path in engine.asked].count("auth/token/revoke-self") == len(given) == 2
    with pytest.raises(KeyfileWrong, match="secret id") as caught:
        TransitProvider(key(engine, tmp_path, who=replace(who, role_id="other"))).health()
    assert "s3cret-id" not in words(caught.value)


@pytest.mark.parametrize("text", ["", "\n", "two\nlines", "tökén", "a\x00b"])
def test_a_token_is_one_line_of_a_file_of_ours(engine: Transit, tmp_path: Path, text: str) -> None:
    path = written(tmp_path / "own" / "bad", text)
    with pytest.raises(KeyfileWrong, match="one line"):
        TransitProvider(key(engine, tmp_path, who=path)).health()
    path.chmod(0o440)
    with pytest.raises(KeyfileUnsafe):
        TransitProvider(key(engine, tmp_path, who=path)).health()
    assert engine.asked == []


def test_only_the_authority_that_is_named_is_believed(tmp_path: Path) -> None:
    authority, other = OwnAuthority(), OwnAuthority()
    pem = tmp_path / "leaf.pem"
    pem.write_bytes(authority.leaf("127.0.0.1"))
    trusted = written(tmp_path / "own" / "ca.pem", authority.pem, 0o644)
    with fake_transit(pem) as engine:
        one = TransitProvider(key(engine, tmp_path, ca_file=trusted))
        assert one.unwrap(one.wrap(b"root", aad=AAD), aad=AAD) == b"root"
        engine.asked.clear()
        foreign = written(tmp_path / "own" / "other.pem", other.pem, 0o644)
        for ca in (None, foreign):
            with pytest.raises(KeysUnavailable) as caught:
                TransitProvider(key(engine, tmp_path, ca_file=ca)).health()
            assert "ertificate" in caught.value.detail
        assert engine.asked == []  # no token went to it
    trusted.chmod(0o666)
    with pytest.raises(KeyfileUnsafe):
        one.health()
    with pytest.raises(ConfigInvalid, match="no certificate"):
        TransitProvider(key(engine, tmp_path, ca_file=written(tmp_path / "own" / "text.pem", "text", 0o644))).health()


def test_a_metadata_service_is_sent_no_token(engine: Transit, tmp_path: Path) -> None:
    with pytest.raises(OutboundRefused):
        TransitProvider(key(engine, tmp_path, address="http://169.254.169.254:80")).health()
