"""A tool call's arguments as the decision sees them: a copy in exact JSON, which is also what the tool then gets."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

_PLAIN: Final = (str, bool, int, type(None))
_MAX_DEPTH: Final = 60


class NotTellable(ValueError):
    """A value that JSON does not say exactly. `path` is where it stands (RFC 6901)."""

    def __init__(self, path: str, what: str) -> None:
        super().__init__(f"{path or '/'} is {what}, which cannot be asked about")
        self.path = path


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of a guarded function, and those of them that are no arguments of the tool."""

    signature: inspect.Signature
    left_out: frozenset[str]

    def bind(self, args: tuple[Any, ...], keywords: Mapping[str, Any]) -> tuple[inspect.BoundArguments, dict[str, Any]]:
        """One call, on a copy of its arguments; and these by their names, as they are asked about.

        Raises:
            NotTellable: One of them is no exact JSON.
            TypeError: The call does not fit the function.
        """
        bound = self.signature.bind(*args, **keywords)
        bound.apply_defaults()
        told: dict[str, Any] = {}
        for name, value in bound.arguments.items():
            if name in self.left_out:
                continue
            if self.signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
                bound.arguments[name] = more = snapshot(value)
                told |= more
            else:
                bound.arguments[name] = told[name] = snapshot(value, "/" + name)
        return bound, told


def parameters(function: Callable[..., Any], left_out: Collection[str] = ()) -> Parameters:
    """Of a function that is to be guarded.

    Raises:
        TypeError: It takes arguments that have no name, or has no parameter of a name that is left out.
    """
    signature = inspect.signature(function)
    if any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in signature.parameters.values()):
        raise TypeError("a guarded tool's arguments have names: * cannot be asked about")
    if unknown := sorted(set(left_out) - signature.parameters.keys()):
        raise TypeError(f"there is no parameter {unknown[0]} to leave out")
    return Parameters(signature, frozenset(left_out))


def snapshot(value: Any, path: str = "", depth: int = 0) -> Any:  # noqa: ANN401 - any JSON value
    """A copy of a JSON value that nobody else holds, so that what is decided is what is done.

    Raises:
        NotTellable: Another type (also one derived from these), NaN, infinity, a key that is no text, too deep.
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is float or kind is Decimal:
        if not (math.isfinite(value) if kind is float else value.is_finite()):
            raise NotTellable(path, "no finite number")
        return value
    if depth == _MAX_DEPTH:
        raise NotTellable(path, "nested too deeply")
    if kind is dict:
        if any(type(name) is not str for name in value):
            raise NotTellable(path, "an object with a key that is no text")
        return {name: snapshot(member, f"{path}/{_escaped(name)}", depth + 1) for name, member in value.items()}
    if kind is list or kind is tuple:
        return kind(snapshot(member, f"{path}/{at}", depth + 1) for at, member in enumerate(value))
    raise NotTellable(path, f"a {kind.__name__}")


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")  # RFC 6901 section 3
