"""The file of `--sign-in`: at which provider the console's people sign in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from remit.console.provider import Provider
from remit.kernel.errors import ConfigInvalid

SignIn = Annotated[
    Path | None,
    typer.Option("--sign-in", metavar="FILE", help="Where people sign in to the console (OpenID Connect): see FILE."),
]
_MOST = 1 << 20


def sign_in(file: Path | None) -> Provider | None:
    """What the file says; None without one.

    It is no secret, but who may write to it says who is who: others must not.

    Raises:
        ConfigInvalid: With file and line.
        KeyfileMissing, KeyfileUnsafe: It, or the client's secret, is missing or open to others.
    """
    if file is None:
        return None
    from remit.keys.owned_file import read_steady  # noqa: PLC0415 - likewise
    from remit.people.document import SpecInvalid  # noqa: PLC0415 - likewise
    from remit.server import yaml_text  # noqa: PLC0415 - few commands read one
    from remit.server.sign_in import chosen, client_secret  # noqa: PLC0415 - likewise

    path = file.absolute()
    content = read_steady(path, what="file of --sign-in", most=_MOST, named_by="--sign-in")
    try:
        documents = yaml_text.read(content.decode("utf-8"), file=str(file))
    except UnicodeDecodeError as error:
        raise ConfigInvalid(f"{file} is not UTF-8 text") from error
    if len(documents) != 1:
        raise ConfigInvalid(f"{file}: one object is expected")
    try:
        found = chosen(documents[0].value, folder=path.parent)
    except SpecInvalid as error:
        first = error.problems[0]
        line = documents[0].lines.get(first.field, documents[0].line)
        more = error.detail if len(error.problems) > 1 else ""
        raise ConfigInvalid(f"{file}:{line}: {first}", detail=more) from error
    client_secret(found)  # what cannot be read is said at the start, and not to the first who signs in
    return found
