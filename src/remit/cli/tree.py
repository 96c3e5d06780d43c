"""The directory that `remit apply` reads, as the list of documents that the server takes.

Every file must be one that is understood: a file that were silently skipped would be a
rule that its author believes in and that nobody enforces. Only README.md and what begins
with a dot are left alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from remit.kernel.canonical import parse
from remit.kernel.errors import ConfigInvalid, Malformed
from remit.server import yaml_text

_KINDS: Final = {
    "purposes": "purpose",
    "secrets": "secret",
    "servers": "server",
    "trusts": "trust",
    "agents": "agent",
    "boundaries": "boundary",
    "combinations": "combination",
}
_YAML: Final = {".yaml", ".yml"}
_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_MAX_FILE: Final = 1 << 20
OPENAPI: Final = (".openapi.yaml", ".openapi.yml", ".openapi.json")
_MAX_DESCRIPTION: Final = 16 << 20
TESTS: Final = (".test.yaml", ".test.yml")
_FOR_PEOPLE: Final = "README.md"  # of a directory kept in git; names no rule that anybody could believe in
_NAMES: Final = "remit.toml"  # which of the organisation's own types AuthZEN's words mean


@dataclass(frozen=True, slots=True)
class Tree:
    """What a directory says, and the lines where it says it, by (file, line of the document)."""

    documents: list[dict[str, Any]]
    lines: dict[tuple[str, int], dict[str, int]]


def read(root: Path) -> Tree:
    """Read the tree under `root`: owners, purposes, secrets, servers, trusts, agents, boundaries, combinations, rules.

    Raises:
        ConfigInvalid: A file or key that is not understood, with file and line.
    """
    if not root.is_dir():
        raise ConfigInvalid(f"{root} is not a directory", try_="remit apply DIR")
    tree = Tree([], {})
    for path in _files(root):
        for document in _documents(root, path):
            lines = document.pop("lines", None)
            if lines is not None:
                tree.lines[document["file"], document["line"]] = lines
            tree.documents.append(document)
    if not tree.documents:
        raise ConfigInvalid(f"{root} holds nothing to apply", try_="add owners.yaml, agents/, boundaries/ ...")
    return tree


def _files(root: Path) -> Iterator[Path]:
    known = ["owners.yaml", *_KINDS, "policies", "entities", _NAMES]
    if (root / "owners.yml").exists() and not (root / "owners.yaml").exists():
        known[0] = "owners.yml"
    for entry in sorted(root.iterdir()):
        if entry.name not in known and not _ignored(entry):
            raise ConfigInvalid(f"{entry.name}: unknown file", try_=f"known here are {', '.join(known)}")
    for name in known:
        path = root / name
        if path.is_file():
            yield path
        elif path.is_dir():
            yield from sorted(entry for entry in path.iterdir() if not _ignored(entry))


def _ignored(entry: Path) -> bool:
    return entry.name == _FOR_PEOPLE or entry.name.startswith(".")


def _documents(  # noqa: PLR0911 - one for each kind of file
    root: Path, path: Path
) -> list[dict[str, Any]]:
    file = path.relative_to(root).as_posix()
    folder = path.parent.name if path.parent != root else ""
    if folder == "policies":
        return _policy(path, file)
    if folder == "entities":
        return _entities(path, file)
    if file == _NAMES:
        return [{"kind": "authzen", "file": file, "text": _text(path, file)}]
    if folder == "servers" and path.name.endswith(OPENAPI) and path.is_file():
        return []  # the description of an API that a server beside it names
    if folder == "servers" and path.suffix == ".pem" and path.is_file():
        return []  # the authority that a server beside it names
    if path.suffix in _YAML and path.is_file():
        kind = _KINDS.get(folder, "owner")
        return [_spec(kind, found, path, file) for found in yaml_text.read(_text(path, file), file=file)]
    if folder == "agents" and _is_key(path):
        return []
    if folder == "trusts" and path.suffix == ".json" and path.is_file():
        return []  # a key set that a trust beside it names
    raise ConfigInvalid(f"{file}: unknown file", try_="a file here ends in .yaml")


def _policy(path: Path, file: str) -> list[dict[str, Any]]:
    if path.name.endswith(TESTS):
        return []  # tests of the policies beside them, for `remit policy test`
    kind = {".cedar": "policy", ".cedarschema": "schema"}.get(path.suffix)
    if kind is None or not path.is_file():
        raise ConfigInvalid(f"{file}: unknown file", try_="a file here ends in .cedar or .cedarschema")
    return [{"kind": kind, "file": file, "text": _text(path, file)}]


def _entities(path: Path, file: str) -> list[dict[str, Any]]:
    if path.suffix != ".json" or not path.is_file():
        raise ConfigInvalid(f"{file}: unknown file", try_="a file here ends in .json")
    return [{"kind": "entities", "file": file, "text": _text(path, file)}]


def _is_key(path: Path) -> bool:
    """Whether `agent keygen` made it: a public key, or the private one beside it, which is never read."""
    return path.name.endswith(".pub.jwk") or path.with_name(path.name + ".pub.jwk").is_file()


def _text(path: Path, file: str, *, most: int = _MAX_FILE) -> str:
    try:
        body = path.read_bytes()
        if len(body) > most:
            raise ConfigInvalid(f"{file}: over {most >> 20} MiB")
        return body.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigInvalid(f"{file}: cannot be read as UTF-8 text", detail=str(error)) from error


def _spec(kind: str, found: yaml_text.Document, path: Path, file: str) -> dict[str, Any]:
    spec = found.value
    if kind == "agent":
        spec = _with_keys(spec, found, path, file)
    if kind == "trust" and isinstance(spec.get("jwks_file"), str):
        spec = _with_key_set(spec, found, path, file)
    if kind == "server" and isinstance(spec.get("openapi"), str):
        spec = _with_description(spec, found, path, file)
    if kind == "server" and isinstance(spec.get("ca"), str) and "\n" not in spec["ca"]:
        line, named = found.lines.get("ca", found.line), path.parent / spec["ca"]
        if not named.is_file():
            raise ConfigInvalid(f"{file}:{line}: the authority's certificate {named.name} cannot be read")
        spec = {**spec, "ca": _text(named, named.name)}
    return {"kind": kind, "spec": spec, "file": file, "line": found.line, "lines": found.lines}


def _with_keys(spec: dict[str, Any], found: yaml_text.Document, path: Path, file: str) -> dict[str, Any]:
    """Put the public key in the place of each `jwk_file`, which only this machine can read."""
    attest = spec.get("attest")
    if not isinstance(attest, list):
        return spec
    filled = []
    for at, method in enumerate(attest):
        inner = method.get("private_key_jwt") if isinstance(method, dict) else None
        if isinstance(inner, dict) and isinstance(inner.get("jwk_file"), str):
            line = found.lines.get(f"attest.{at}.private_key_jwt.jwk_file", found.line)
            rest = {key: value for key, value in inner.items() if key != "jwk_file"}
            key = _public_key(path.parent / inner["jwk_file"], f"{file}:{line}")
            filled.append({**method, "private_key_jwt": {**rest, "jwk": key}})
        else:
            filled.append(method)
    return {**spec, "attest": filled}


def _with_key_set(spec: dict[str, Any], found: yaml_text.Document, path: Path, file: str) -> dict[str, Any]:
    """Put the key set in the place of `jwks_file`."""
    line, named = found.lines.get("jwks_file", found.line), path.parent / spec["jwks_file"]
    try:
        jwks = parse(named.read_bytes())
    except OSError as error:
        raise ConfigInvalid(f"{file}:{line}: the key set {named.name} cannot be read", detail=str(error)) from error
    except Malformed as error:
        raise ConfigInvalid(f"{file}:{line}: {named.name} is no JWK set", detail=error.detail) from error
    return {key: value for key, value in spec.items() if key != "jwks_file"} | {"jwks": jwks}


def _with_description(spec: dict[str, Any], found: yaml_text.Document, path: Path, file: str) -> dict[str, Any]:
    """Put the OpenAPI description in the place of `openapi`, the file's name."""
    named = path.parent / spec["openapi"]
    if not named.is_file():
        line = found.lines.get("openapi", found.line)
        raise ConfigInvalid(f"{file}:{line}: the OpenAPI description {named.name} cannot be read")
    text = _text(named, named.name, most=_MAX_DESCRIPTION)
    if named.suffix == ".json":
        try:
            return {**spec, "openapi": parse(text)}
        except Malformed as error:
            raise ConfigInvalid(f"{named.name}: not JSON", detail=error.detail) from error
    (whole, *more) = yaml_text.read(text, file=named.name)
    if more:
        raise ConfigInvalid(f"{named.name}: one OpenAPI description is expected")
    return {**spec, "openapi": whole.value}


def _public_key(path: Path, where: str) -> dict[str, Any]:
    try:
        jwk = parse(path.read_bytes())
    except OSError as error:
        raise ConfigInvalid(
            f"{where}: the key file {path.name} cannot be read",
            detail=str(error),
            try_=f"remit agent keygen NAME --out {path.name.removesuffix('.pub.jwk')}",
        ) from error
    except Malformed as error:
        raise ConfigInvalid(f"{where}: {path.name} is no JWK", detail=error.detail) from error
    if not isinstance(jwk, dict) or not isinstance(jwk.get("kty"), str):
        raise ConfigInvalid(f"{where}: {path.name} is no JWK")
    if _PRIVATE_MEMBERS & jwk.keys():
        raise ConfigInvalid(
            f"{where}: {path.name} is a private key, and a private key never leaves its agent",
            try_=f"name {path.name}.pub.jwk instead",
        )
    return jwk
