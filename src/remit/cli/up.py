"""`remit up`: start a server on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from remit.catalog.url import check_url
from remit.cli.key_provider import KeyProvider
from remit.cli.key_provider import key_provider as read_key_provider
from remit.cli.options import examples
from remit.cli.sign_in import SignIn
from remit.cli.sign_in import sign_in as read_sign_in
from remit.kernel.clock import parse_duration
from remit.kernel.errors import Malformed
from remit.keys.rotation import Schedule
from remit.server import settings as defaults
from remit.tokens.nonce import NonceUse

_Data = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Where it keeps its data. [$XDG_DATA_HOME/remit]")
]
_Listen = Annotated[str, typer.Option("--listen", metavar="HOST:PORT", help="Port 0 takes any free one.")]
_Database = Annotated[
    str | None, typer.Option("--database", metavar="URL", help="postgresql://... instead of SQLite in DIR.")
]
_Keyfile = Annotated[Path | None, typer.Option("--keyfile", metavar="FILE", help="[$XDG_CONFIG_HOME/remit/keyfile]")]
_PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file", metavar="FILE", help="A passphrase instead of a keyfile; - reads standard input."
    ),
]
_PassphraseFd = Annotated[
    int | None, typer.Option("--passphrase-fd", metavar="N", help="The same from an open descriptor.")
]
_Url = Annotated[
    str | None, typer.Option("--url", metavar="URL", help="What agents call it by, if it stands behind a proxy.")
]
_Dev = Annotated[
    bool, typer.Option("--dev", help="The admin token may act as anyone (--as PERSON). Never in production.")
]
_AcceptState = Annotated[
    bool,
    typer.Option("--accept-state", help="Record what was changed in the database directly, and start with it."),
]
_MaxBody = Annotated[int, typer.Option("--max-body", metavar="BYTES", min=1024)]
_Refresh = Annotated[
    str, typer.Option("--refresh", metavar="TIME", help="How often servers' tools are imported again.")
]
_LoopDenials = Annotated[
    int,
    typer.Option(
        "--loop-denials", metavar="N", min=0, help="Suspend an agent that is denied the same N times in 10 s. 0: never."
    ),
]
_RotateKeys = Annotated[
    str, typer.Option("--rotate-keys", metavar="TIME", help="How often the key that signs tokens is replaced.")
]
_DpopNonce = Annotated[
    str, typer.Option("--dpop-nonce", metavar="off|token|both", help="Where a DPoP proof needs a nonce of ours.")
]
_TlsCert = Annotated[
    Path | None, typer.Option("--tls-cert", metavar="FILE", help="Serve https with this certificate, PEM.")
]
_TlsKey = Annotated[
    Path | None, typer.Option("--tls-key", metavar="FILE", help="Its key, if it is not in the same file.")
]
_TrustedProxy = Annotated[
    list[str] | None,
    typer.Option("--trusted-proxy", metavar="ADDRESS", help="Believe its Client-Cert and X-Forwarded-For. Repeatable."),
]
_OnePlace = Annotated[
    list[str] | None,
    typer.Option("--one-place", metavar="NETWORK", help="A copy may use any address of it at once. Repeatable."),
]
_ClientCa = Annotated[
    Path | None, typer.Option("--client-ca", metavar="FILE", help="Who signs clients' certificates, PEM.")
]
_ClientSecrets = Annotated[
    bool, typer.Option("--client-secrets", help="Let clients authenticate with a secret. Better: a key.")
]
_Webhook = Annotated[
    list[str] | None,
    typer.Option("--webhook", metavar="URL", help="Tell it what people are asked, and of emergencies. Repeatable."),
]
_Smtp = Annotated[
    str | None, typer.Option("--smtp", metavar="HOST:PORT", help="A relay: who is asked to approve gets a mail.")
]
_MailFrom = Annotated[str, typer.Option("--mail-from", metavar="ADDRESS", help="Whom these mails come from.")]
_CallbackHost = Annotated[
    list[str] | None,
    typer.Option("--callback-host", metavar="HOST:PORT", help="Agents may be called back there, too. Repeatable."),
]
_Proxy = Annotated[
    str | None,
    typer.Option("--proxy", metavar="HOST:PORT", help="Be a forward proxy there, too; on this machine. [off]"),
]
_UnsafeDumpable = Annotated[
    bool,
    typer.Option("--unsafe-dumpable", help="Let debuggers attach and crashes leave core files: secrets stand in both."),
]
_KeepEchoed = Annotated[
    bool, typer.Option("--unsafe-keep-echoed", help="Go on with a credential that its server sent back.")
]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON line when ready.")]


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command("up", epilog=examples("remit up", "remit up --data ./data --listen 127.0.0.1:0 --json"))(up)


def up(
    *,
    data: _Data = None,
    listen: _Listen = f"{defaults.DEFAULT_HOST}:{defaults.DEFAULT_PORT}",
    database: _Database = None,
    keyfile: _Keyfile = None,
    passphrase_file: _PassphraseFile = None,
    passphrase_fd: _PassphraseFd = None,
    key_provider: KeyProvider = None,
    url: _Url = None,
    dev: _Dev = False,
    accept_state: _AcceptState = False,
    max_body: _MaxBody = defaults.MEBIBYTE,
    refresh: _Refresh = "5s",
    loop_denials: _LoopDenials = 500,
    rotate_keys: _RotateKeys = "90d",
    dpop_nonce: _DpopNonce = NonceUse.OFF.value,
    tls_cert: _TlsCert = None,
    tls_key: _TlsKey = None,
    trusted_proxy: _TrustedProxy = None,
    one_place: _OnePlace = None,
    client_ca: _ClientCa = None,
    client_secrets: _ClientSecrets = False,
    webhook: _Webhook = None,
    smtp: _Smtp = None,
    mail_from: _MailFrom = "remit@localhost",
    callback_host: _CallbackHost = None,
    proxy: _Proxy = None,
    sign_in: SignIn = None,
    unsafe_dumpable: _UnsafeDumpable = False,
    unsafe_keep_echoed: _KeepEchoed = False,
    json: _Json = False,
) -> int:
    """Start a server. It says what to type next when it is ready; SIGTERM or Ctrl-C ends it cleanly."""
    host, port = defaults.listen_address(listen)
    file, descriptor = defaults.passphrase(passphrase_file, passphrase_fd)
    settings = defaults.Settings(
        data=(data or defaults.data_directory(os.environ)).absolute(),
        keyfile=(keyfile or defaults.keyfile_path(os.environ)).absolute(),
        passphrase_file=file,
        passphrase_fd=descriptor,
        key_provider=read_key_provider(key_provider, keyfile, passphrase_file, passphrase_fd),
        dumpable=unsafe_dumpable,
        key_schedule=Schedule(every=parse_duration(rotate_keys)),
        dpop_nonce=defaults.nonce_use(dpop_nonce),
        tls_certificate=None if tls_cert is None else tls_cert.absolute(),
        tls_key=None if tls_key is None else tls_key.absolute(),
        trusted_proxies=tuple(trusted_proxy or ()), one_place=tuple(one_place or ()),
        client_ca=None if client_ca is None else client_ca.absolute(),
        client_secrets=client_secrets,
        webhooks=tuple(check_url(each) for each in webhook or ()),
        mail_relay=None if smtp is None else defaults.listen_address(smtp, option="--smtp"),
        mail_from=mail_from,
        callback_hosts=tuple(defaults.listen_address(at, option="--callback-host") for at in callback_host or ()),
        proxy=None if proxy is None else defaults.listen_address(proxy, option="--proxy"),
        sign_in=read_sign_in(sign_in), unsafe_keep_echoed=unsafe_keep_echoed,
        host=host, port=port, database=database, public_url=_public(url), dev=dev, accept_state=accept_state,
        body_limit=max_body, refresh_every=parse_duration(refresh), loop_denials=loop_denials,
    )  # fmt: skip
    return _serve(settings, as_json=json)


def _serve(settings: defaults.Settings, *, as_json: bool) -> int:
    from remit.server import garbage  # noqa: PLC0415 - the server is loaded when it is started

    garbage.hold()
    from remit.server.run import serve  # noqa: PLC0415 - as above

    return serve(settings, as_json=as_json)


def _public(url: str | None) -> str | None:
    if url is not None and not url.startswith(("http://", "https://")):
        raise Malformed("--url is an http(s) URL", detail=url)
    return url.rstrip("/") if url else None
