"""A PKCS#11 token, SoftHSM's: what is refused, and in which words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.contract.held_keys import token_key, written
from tests.real.softhsm import PIN, SoftHsm

from remit.kernel.errors import ConfigInvalid, KeyfileMissing, KeyfileUnsafe, KeyfileWrong, KeysUnavailable
from remit.keys import pkcs11 as provider
from remit.keys.keyfile import KeyfileProvider
from remit.keys.pkcs11 import Pkcs11Provider
from remit.keys.secret import Secret

AAD = b"place"


def test_its_key_cannot_leave_the_token(softhsm: SoftHsm, tmp_path: Path) -> None:
    pkcs11 = pytest.importorskip("pkcs11")
    Pkcs11Provider(token_key(softhsm, tmp_path, "stays")).wrap(b"root", aad=AAD)
    with pkcs11.lib(str(softhsm.module)).get_token(token_label="remit").open(user_pin=PIN) as session:
        key = session.get_key(label="stays")
        attribute = pkcs11.Attribute
        assert (key[attribute.EXTRACTABLE], key[attribute.SENSITIVE], key.key_length) == (False, True, 256)
        assert not any(key[each] for each in (attribute.WRAP, attribute.UNWRAP, attribute.SIGN, attribute.DERIVE))
        with pytest.raises(pkcs11.AttributeSensitive):
            _ = key[attribute.VALUE]


def test_a_key_that_can_leave_the_token_wraps_nothing(softhsm: SoftHsm, tmp_path: Path) -> None:
    pkcs11 = pytest.importorskip("pkcs11")
    attribute = pkcs11.Attribute
    loose = {
        "leaves": (256, {attribute.EXTRACTABLE: True, attribute.SENSITIVE: True}),
        "shows": (256, {attribute.EXTRACTABLE: False, attribute.SENSITIVE: False}),
        "short": (128, {attribute.EXTRACTABLE: False, attribute.SENSITIVE: True}),
    }
    with pkcs11.lib(str(softhsm.module)).get_token(token_label="remit").open(rw=True, user_pin=PIN) as session:
        for label, (bits, template) in loose.items():
            session.generate_key(pkcs11.KeyType.AES, bits, label=label, store=True, template=template)
    for label in loose:
        one = Pkcs11Provider(token_key(softhsm, tmp_path, label))
        for asked in (one.health, lambda one=one: one.wrap(b"root", aad=AAD)):
            with pytest.raises(KeyfileUnsafe, match=r"taken off|shorter"):
                asked()


def test_a_key_is_made_only_where_one_is_asked_for(softhsm: SoftHsm, tmp_path: Path) -> None:
    asked = token_key(softhsm, tmp_path, "absent")
    with pytest.raises(KeyfileMissing) as caught:
        Pkcs11Provider(replace(asked, make=False)).wrap(b"root", aad=AAD)
    assert "make_key" in caught.value.try_
    wrapped = Pkcs11Provider(token_key(softhsm, tmp_path, "present")).wrap(b"root", aad=AAD)
    with pytest.raises(KeyfileMissing):  # to open something with a new key would be to make one for nothing
        Pkcs11Provider(asked).unwrap(wrapped, aad=AAD)
    with pytest.raises(KeyfileMissing):
        Pkcs11Provider(asked).health()


def test_two_keys_of_one_label_are_no_guess(softhsm: SoftHsm, tmp_path: Path) -> None:
    pkcs11 = pytest.importorskip("pkcs11")
    with pkcs11.lib(str(softhsm.module)).get_token(token_label="remit").open(rw=True, user_pin=PIN) as session:
        for _ in range(2):
            session.generate_key(pkcs11.KeyType.AES, 256, label="twice", store=True)
    with pytest.raises(ConfigInvalid, match="two"):
        Pkcs11Provider(token_key(softhsm, tmp_path, "twice")).wrap(b"root", aad=AAD)


def test_the_pin_comes_from_a_file_that_is_ours_alone(softhsm: SoftHsm, tmp_path: Path) -> None:
    good = token_key(softhsm, tmp_path, "pinned")
    Pkcs11Provider(good).wrap(b"root", aad=AAD)
    for problem, path in (
        (KeyfileWrong, written(tmp_path / "pins" / "wrong", "0000-wrong")),
        (KeyfileWrong, written(tmp_path / "pins" / "empty", "\n")),
        (KeyfileWrong, written(tmp_path / "pins" / "accents", "pín")),
        (KeyfileUnsafe, written(tmp_path / "pins" / "open", PIN, 0o444)),
        (KeyfileMissing, tmp_path / "pins" / "none"),
    ):
        with pytest.raises(problem) as caught:
            Pkcs11Provider(replace(good, pin_file=path)).health()
        assert PIN not in f"{caught.value} {caught.value.detail} {caught.value.try_}"
    assert Pkcs11Provider(good).health()


def test_the_pin_is_not_tried_on_what_another_provider_wrapped(softhsm: SoftHsm, tmp_path: Path) -> None:
    wrapped = KeyfileProvider(Secret(b"k" * 32)).wrap(b"root", aad=AAD)
    with pytest.raises(KeyfileWrong) as caught:
        Pkcs11Provider(token_key(softhsm, tmp_path, "any", pin="0000-wrong")).unwrap(wrapped, aad=AAD)
    assert "--keyfile" in caught.value.try_


def test_a_token_that_is_not_there_may_come(softhsm: SoftHsm, tmp_path: Path) -> None:
    with pytest.raises(KeysUnavailable, match="no token") as caught:
        Pkcs11Provider(replace(token_key(softhsm, tmp_path, "any"), token="elsewhere")).health()
    assert (caught.value.code, "start again" in caught.value.try_) == ("storage_unavailable", True)


def test_a_token_that_fails_is_not_there_for_now(
    softhsm: SoftHsm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pkcs11 = pytest.importorskip("pkcs11")
    one = Pkcs11Provider(token_key(softhsm, tmp_path, "fails"))
    wrapped = one.wrap(b"root", aad=AAD)

    class Failing:
        def __init__(self, key: Any) -> None:
            self.key = key

        def decrypt(self, *_: Any, **__: Any) -> bytes:
            raise pkcs11.DeviceRemoved

    found = provider._found
    monkeypatch.setattr(provider, "_found", lambda *a, **k: Failing(found(*a, **k)))
    with pytest.raises(KeysUnavailable, match="fails"):
        one.unwrap(wrapped, aad=AAD)


def test_a_token_that_answers_with_another_key_opens_nothing(
    softhsm: SoftHsm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Pkcs11Provider(token_key(softhsm, tmp_path, "lies"))
    wrapped = one.wrap(b"root", aad=AAD)
    for answer in (b"x" * 32, b"", b"x" * 31):
        monkeypatch.setattr(provider._Key, "decrypt", lambda *_, answer=answer: answer)
        with pytest.raises(KeyfileWrong):
            one.unwrap(wrapped, aad=AAD)
        with pytest.raises(KeyfileWrong, match="does not open again"):
            one.wrap(b"root", aad=AAD)


def test_what_is_loaded_as_the_module_is_nobody_elses_to_change(softhsm: SoftHsm, tmp_path: Path) -> None:
    good = token_key(softhsm, tmp_path, "any")
    text = written(tmp_path / "lib" / "text.so", "no library", 0o644)
    with pytest.raises(ConfigInvalid, match="does not load"):
        Pkcs11Provider(replace(good, module=text)).health()
    text.chmod(0o666)
    with pytest.raises(KeyfileUnsafe, match="others may write"):
        Pkcs11Provider(replace(good, module=text)).health()
    text.chmod(0o644)
    text.parent.chmod(0o777)
    link = tmp_path / "link.so"
    link.symlink_to(text)
    with pytest.raises(KeyfileUnsafe, match="folder"):
        Pkcs11Provider(replace(good, module=link)).health()
    with pytest.raises(KeyfileMissing):
        Pkcs11Provider(replace(good, module=tmp_path / "none.so")).health()
