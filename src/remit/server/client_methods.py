"""The ways of client authentication that an operator turns on: certificates behind a proxy, and secrets."""

from __future__ import annotations

from pathlib import Path

from remit.kernel.errors import ConfigInvalid
from remit.server.settings import Settings
from remit.tokens.clients.ports import ClientMethod
from remit.tokens.ports import Standing


def client_methods(settings: Settings, standing: Standing) -> list[ClientMethod]:
    """The methods that `settings` turn on.

    Raises:
        ConfigInvalid: The file of client authorities is none.
    """
    found: list[ClientMethod] = []
    if settings.client_ca is not None and not settings.trusted_proxies and settings.tls_certificate is None:
        raise ConfigInvalid(
            "--client-ca says who signs clients' certificates, and here none is ever seen",
            try_="--tls-cert FILE, or --trusted-proxy ADDRESS beside it",
        )
    # With TLS of our own alone, a certificate that no authority signed does not get as far as here.
    if settings.trusted_proxies:
        from remit.tokens.clients.mtls import SelfSigned  # noqa: PLC0415 - 20 ms of X.509, only where it is turned on

        found.append(SelfSigned(standing))
    if settings.client_ca is not None:
        from remit.tokens.clients.mtls import SignedByAuthority, authorities  # noqa: PLC0415 - as above

        found.append(SignedByAuthority(standing, authorities(_read(settings.client_ca))))
    if settings.client_secrets:
        from remit.tokens.clients.client_secret import SecretBasic, SecretPost, Secrets  # noqa: PLC0415 - as above

        secrets = Secrets(standing)
        found += [SecretBasic(secrets), SecretPost(secrets)]
    return found


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigInvalid("the file of client authorities cannot be read", detail=str(error)) from error
