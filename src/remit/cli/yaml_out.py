"""YAML written so that `yaml_text` reads back what it was given: text in quotes, exact numbers as they are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

import yaml

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*([-/_][A-Za-z0-9]+)*\Z")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_TAG = "tag:yaml.org,2002:"
_WIDE = 110


def write(documents: Sequence[object]) -> str:
    """One object, or a list of several."""
    node = _node(documents[0] if len(documents) == 1 else list(documents), top=True)
    return str(yaml.serialize(node, Dumper=yaml.SafeDumper, width=_WIDE, allow_unicode=True))


def _node(value: object, *, top: bool = False) -> yaml.Node:
    if isinstance(value, dict):
        # Short objects on one line, as people write them; keys need quotes only where they would be no text.
        pairs = [(_text(str(key)), _node(member)) for key, member in value.items()]
        return yaml.MappingNode(_TAG + "map", pairs, flow_style=not top and "action" not in value)
    if isinstance(value, (list, tuple)):
        rows = [_node(each, top=top) for each in value]
        return yaml.SequenceNode(_TAG + "seq", rows, flow_style=not any(isinstance(each, dict) for each in value))
    if isinstance(value, bool):
        return yaml.ScalarNode(_TAG + "bool", "true" if value else "false")
    if isinstance(value, int):
        return yaml.ScalarNode(_TAG + "int", str(value))
    if isinstance(value, Decimal):
        return yaml.ScalarNode(_TAG + ("float" if "." in str(value) else "int"), format(value, "f"))
    return _text(str(value))


def _text(value: str) -> yaml.ScalarNode:
    """Names that every reader takes for text stand bare; all else in double quotes."""
    bare = _NAME.match(value) is not None and value.lower() not in _WORDS
    return yaml.ScalarNode(_TAG + "str", value, style=None if bare else '"')
