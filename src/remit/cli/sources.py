"""Where `remit audit verify` reads a log from: a live server, a data directory, or an exported file."""

from __future__ import annotations

from pathlib import Path

from remit.audit.checkpoint import parse_key
from remit.audit.export import read_export, verify_export
from remit.audit.report import Report
from remit.audit.source import Source
from remit.audit.source_live import Get, LiveSource
from remit.audit.source_offline import open_offline
from remit.audit.verify import verify
from remit.cli import checkpoints
from remit.cli.key_provider import key_provider as read_key_provider
from remit.cli.wire import Api, Refused, connect
from remit.kernel.errors import Malformed, NotFound, RemitError
from remit.keys.keyfile import KeyfileProvider
from remit.keys.passphrase import PassphraseProvider
from remit.keys.ports import Provider
from remit.server.key_provider import made


def provider(keyfile: Path | None, passphrase_file: Path | None, key_provider: Path | None = None) -> Provider | None:
    """What opens a data directory, from one of these files; None without any.

    Raises:
        Malformed: More than one.
        ConfigInvalid, KeyfileMissing, KeyfileUnsafe, KeyfileWrong: It cannot be read.
    """
    held = read_key_provider(key_provider, keyfile, passphrase_file)
    if held is not None:
        return made(held)
    if keyfile is not None and passphrase_file is not None:
        raise Malformed("a keyfile or a passphrase opens it, not both", try_="name one of them")
    if passphrase_file is not None:
        return PassphraseProvider.load(passphrase_file)
    return None if keyfile is None else KeyfileProvider.load(keyfile)


def verified(*, data: Path | None, export: Path | None, provider: Provider | None, as_: str | None) -> Report:
    """Verify a log against the checkpoint and key kept from earlier; keep the newest checkpoint if all is well."""
    if export is not None:
        return _verified_export(export)
    if data is None:
        return _verified(LiveSource(getter(connect(as_))))
    source = open_offline(data)
    try:
        if provider is not None:
            source.unlock(provider)
        return _verified(source)
    finally:
        source.close()


def _verified(source: Source) -> Report:
    try:
        shown = source.key()
        name = parse_key(shown).name
    except RemitError:
        return verify(source)  # its first step says what is wrong with the key
    report = verify(source, kept=checkpoints.kept(name), key=checkpoints.kept_key(name))
    if report.ok and report.checkpoint:
        checkpoints.keep(report.checkpoint, key=shown)
    return report


def _verified_export(path: Path) -> Report:
    try:
        export = read_export(path.read_bytes())
    except OSError as error:
        raise NotFound(f"{path} cannot be read", detail=str(error)) from error
    try:
        name = parse_key(export.key).name
    except RemitError:
        return verify_export(export)
    return verify_export(export, kept=checkpoints.kept(name), key=checkpoints.kept_key(name))


def getter(api: Api) -> Get:
    """GET of a path at one server, as readers of a log want it."""

    def get(path: str) -> bytes:
        try:
            return api.raw("GET", path)[1]
        except Refused as error:
            if error.problem["code"] == "not_found":
                raise NotFound(error.public) from error
            raise

    return get
