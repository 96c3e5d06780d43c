"""YAML read so that nothing changes on the way: exact numbers, text that stays text, a line for every key.

YAML 1.1 would read `NO` as false, `1:30` as 90, `012` as 10 and `500.00` as a float.
Here true, false and null have one spelling each in lower, title or upper case; whole and
decimal numbers are exact; every other spelling of a number is refused with "quote it";
dates and all the rest are text. Duplicate keys, aliases and tags are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import yaml

from remit.kernel.errors import ConfigInvalid

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})\Z")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,17})\.[0-9]{1,18}\Z")
_NUMBER_LIKE = re.compile(
    r"[-+]?(0[xob][0-9a-fA-F_]+|[0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?|\.[0-9][0-9_]*([eE][-+]?[0-9]+)?"
    r"|\.(inf|Inf|INF)|\.(nan|NaN|NAN))\Z"
)
_WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_WORDS |= {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_STANDARD_TAG = re.compile(r"tag:yaml\.org,2002:(str|int|float|bool|null|timestamp|value|merge|seq|map)\Z")
_MAX_DEPTH = 32


@dataclass(frozen=True, slots=True)
class Document:
    """One object of a file, the line it starts on, and the line of each of its keys (`allow.0.when` -> 7)."""

    value: Any
    line: int
    lines: dict[str, int]


class _Loader(yaml.SafeLoader):
    """Composes nodes only, and takes no aliases: two copies of a rule would be read as one, or a small
    file would grow without end.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="aliases are not taken", problem_mark=mark)
        return super().compose_node(parent, index)


def read(text: str, *, file: str) -> list[Document]:
    """Read one file: one object, or a list of objects.

    Raises:
        ConfigInvalid: With file and line.
    """
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _invalid(file, mark.line + 1 if mark else 1, error.problem or "not YAML") from error
    except yaml.YAMLError as error:
        raise _invalid(file, 1, "not YAML: " + str(error).splitlines()[0]) from error
    except RecursionError as error:
        raise _invalid(file, 1, "nested too deeply") from error
    if isinstance(root, yaml.SequenceNode):
        return [_document(item, file) for item in root.value]
    if isinstance(root, yaml.MappingNode):
        return [_document(root, file)]
    raise _invalid(file, 1, "one object, or a list of objects, is expected")


def _document(node: yaml.Node, file: str) -> Document:
    line = _line(node)
    if not isinstance(node, yaml.MappingNode):
        raise _invalid(file, line, "an object is expected here")
    lines: dict[str, int] = {}
    return Document(_value(node, file, (), lines), line, lines)


def _value(node: yaml.Node, file: str, path: tuple[str, ...], lines: dict[str, int]) -> Any:  # noqa: ANN401 - any YAML
    if not _STANDARD_TAG.match(node.tag):
        raise _invalid(file, _line(node), "tags are not taken")
    if len(path) > _MAX_DEPTH:
        raise _invalid(file, _line(node), "nested too deeply")
    lines[".".join(path)] = _line(node)
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, file, path, lines)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, file, (*path, str(at)), lines) for at, item in enumerate(node.value)]
    return _scalar(node, file)


def _mapping(node: yaml.MappingNode, file: str, path: tuple[str, ...], lines: dict[str, int]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode) or key_node.tag.endswith(":merge"):
            raise _invalid(file, _line(key_node), "a key is plain text")
        key = key_node.value
        if key in found:
            raise _invalid(file, _line(key_node), f"the key {key!r} stands here twice")
        found[key] = _value(value_node, file, (*path, key), lines)
        lines[".".join((*path, key))] = _line(key_node)
    return found


def _scalar(node: yaml.Node, file: str) -> str | int | bool | Decimal | None:
    text = str(node.value)
    if getattr(node, "style", None):  # quoted, or a block: text as it stands
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.match(text):
        return int(text)
    if _DECIMAL.match(text):
        return Decimal(text)
    if _NUMBER_LIKE.match(text):
        raise _invalid(file, _line(node), f"{text} is read as different numbers by different programs; quote it")
    return text


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _invalid(file: str, line: int, what: str) -> ConfigInvalid:
    return ConfigInvalid(f"{file}:{line}: {what}")
