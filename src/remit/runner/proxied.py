"""What makes a command's clients use the run's proxy, and believe it: variables, and a file of authorities."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

_PROXIES: Final = ("HTTPS_PROXY", "HTTP_PROXY")
_DIRECT: Final = ("NO_PROXY", "no_proxy")
_DROPPED: Final = ("ALL_PROXY", "all_proxy", "FTP_PROXY", "ftp_proxy")
_LOOPBACK: Final = "127.0.0.1"  # the run's own MCP URLs
# Those that stand in the place of a client's own list, and those that are added to it.
_WHOLE: Final = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "AWS_CA_BUNDLE")
_ADDED: Final = ("NODE_EXTRA_CA_CERTS",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """What Remit says of its forward proxy."""

    url: str
    ca: str
    placeholders: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Offered:
        """Read from the local socket's answer."""
        return cls(url=said["url"], ca=said["ca"], placeholders=dict(said["placeholders"]))


def variables(environ: Mapping[str, str], offered: Offered, *, proxy: str, folder: Path) -> dict[str, str]:
    """The environment of a command behind the run's proxy; writes two files into `folder`.

    Args:
        environ: As it would be without the proxy.
        offered: What Remit said.
        proxy: The run's own proxy, with its password.
        folder: Of the run alone.
    """
    found = {name: value for name, value in environ.items() if name not in _DROPPED}
    own, whole = folder / "remit-ca.pem", folder / "ca-bundle.pem"
    _write(own, offered.ca)
    _write(whole, _believed(environ) + "\n" + offered.ca)
    for name in _PROXIES:
        found[name] = found[name.lower()] = proxy
    for name in _DIRECT:
        found[name] = _LOOPBACK
    found |= dict.fromkeys(_WHOLE, str(whole)) | dict.fromkeys(_ADDED, str(own))
    return {**found, **offered.placeholders}


def _believed(environ: Mapping[str, str]) -> str:
    """The authorities that this user's clients believe so far: those of a tunnel's server among them."""
    for name in _WHOLE:
        if (text := _text(environ.get(name))) is not None:
            return text
    return _text(ssl.get_default_verify_paths().cafile) or ""


def _text(path: str | None) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8") if path else None
    except (OSError, UnicodeDecodeError):
        return None


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
