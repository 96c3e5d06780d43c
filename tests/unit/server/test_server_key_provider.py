"""The document that says what opens a database: read whole, or refused with what is wrong."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.keys.held import AppRole, TokenKey, TransitKey
from remit.people.document import SpecInvalid
from remit.server.key_provider import chosen

FOLDER = Path("/etc/remit")
TOKEN = {"module": "/usr/lib/hsm.so", "token": "remit", "key": "root", "pin_file": "pin"}
TRANSIT = {"address": "https://bao.example:8200", "key": "remit", "token_file": "token"}
names = st.sampled_from(
    ["pkcs11", "transit", "module", "token", "key", "pin_file", "make_key", "address", "mount", "token_file", "approle",
     "role_id", "secret_id_file", "ca_file", "namespace", "other"]
)  # fmt: skip
leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(list(TRANSIT.values()))
documents = st.recursive(leaves, lambda inner: st.dictionaries(names, inner, max_size=5) | st.lists(inner, max_size=3))


@given(documents)
def test_any_document_is_read_or_refused(document: Any) -> None:
    with suppress(SpecInvalid):
        assert isinstance(chosen(document, folder=FOLDER), TokenKey | TransitKey)


def test_paths_are_beside_the_document() -> None:
    assert chosen({"pkcs11": TOKEN}, folder=FOLDER) == TokenKey(
        module=Path("/usr/lib/hsm.so"), token="remit", key="root", pin_file=FOLDER / "pin"
    )
    role = {"role_id": "id", "secret_id_file": "secret-id"}
    spec = {"address": "https://bao.example:8200/", "key": "remit", "approle": role, "ca_file": "ca", "make_key": True}
    assert chosen({"transit": spec}, folder=FOLDER) == TransitKey(
        address="https://bao.example:8200", key="remit", ca_file=FOLDER / "ca", make=True,
        who=AppRole(role_id="id", secret_id_file=FOLDER / "secret-id"),
    )  # fmt: skip


@pytest.mark.parametrize(
    "changed",
    [
        {"address": "http://bao.example:8200"}, {"address": "https://user:pass@bao.example"}, {"address": "ftp://x"},
        {"address": "https://bao.example/v1"}, {"address": "https://bao.example?x"}, {"address": "http://127.0.0.1.evil.test"},
        {"key": ".."}, {"key": "a/b"}, {"key": "a?b"}, {"key": "a%2fb"}, {"key": ""}, {"mount": "../sys"},
        {"mount": "a//b"}, {"mount": "/a"}, {"namespace": "a\nb"}, {"make_key": "yes"}, {"make_key": 1}, {"token": "t"},
        {"token_file": "a\x00b"}, {"approle": {"role_id": "r", "secret_id_file": "s"}},
    ],
)  # fmt: skip
def test_what_would_lead_elsewhere_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(SpecInvalid):
        chosen({"transit": {**TRANSIT, **changed}}, folder=FOLDER)


@pytest.mark.parametrize("address", ["http://127.0.0.1:8200", "http://localhost:8200", "http://[::1]:8200"])
def test_this_machine_needs_no_tls(address: str) -> None:
    found = chosen({"transit": {**TRANSIT, "address": address}}, folder=FOLDER)
    assert isinstance(found, TransitKey)
    assert found.address == address


def test_one_of_them_and_only_one() -> None:
    wrong: list[Any] = [{}, {"pkcs11": TOKEN, "transit": TRANSIT}, [], None]
    for document in wrong:
        with pytest.raises(SpecInvalid):
            chosen(document, folder=FOLDER)
