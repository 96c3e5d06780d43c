"""A token's module that never comes back: what asked it is told so in time, and so is who asks after it."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from remit.kernel.errors import KeysUnavailable
from remit.keys import pkcs11
from remit.keys.held import TokenKey
from remit.keys.pkcs11 import Pkcs11Provider


def test_a_module_that_hangs_holds_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    comes_back, over = threading.Event(), threading.Event()

    class Failed(Exception):
        pass

    def hangs(_module: str) -> None:
        comes_back.wait()
        over.set()
        raise Failed

    monkeypatch.setattr(pkcs11, "_library", lambda: SimpleNamespace(lib=hangs, PKCS11Error=Failed))
    pin, module = tmp_path / "pin", tmp_path / "module.so"
    for path in (pin, module):
        path.write_text("1234")
        path.chmod(0o400)
    provider = Pkcs11Provider(TokenKey(module=module, token="t", key="k", pin_file=pin, make=True), seconds=0.2)
    try:
        for asked in (provider.health, provider.health, lambda: provider.wrap(b"root key", aad=b"")):
            with pytest.raises(KeysUnavailable, match="does not answer"):
                asked()
    finally:
        comes_back.set()
    assert over.wait(10)
