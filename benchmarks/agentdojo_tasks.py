"""The tasks of AgentDojo, read from its wheel without running it: which calls a task needs, with which arguments.

AgentDojo (PyPI `agentdojo`, MIT licence) writes what a task needs as a list of `FunctionCall`s in a
method `ground_truth`. They are read from the syntax tree. What depends on the benchmark's
environment at run time cannot be known so, and is marked as `Unresolved`, never guessed.
"""

from __future__ import annotations

import ast
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

_SUITE = re.compile(r"agentdojo/default_suites/(v[0-9_]+)/([a-z]+)/(user|injection)_tasks\.py\Z")
_TOOLS = re.compile(r"agentdojo/default_suites/v1/tools/([a-z_]+)\.py\Z")
_TASK = re.compile(r"(User|Injection)Task([0-9]+)\Z")


class Unresolved(Exception):
    """An expression whose value only the running benchmark knows."""


@dataclass(frozen=True, slots=True)
class Needed:
    """One call. Arguments that are not known stand in `unknown`, not in `arguments`."""

    function: str
    arguments: Mapping[str, Any]
    unknown: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Task:
    """A user's or an attacker's task, in the newest version there is of it."""

    suite: str
    kind: str  # user | injection
    number: int
    calls: tuple[Needed, ...]


@dataclass(slots=True)
class Package:
    """What was read. `servers`: the module that a tool is written in, which stands for its server."""

    tasks: list[Task] = field(default_factory=list)
    servers: dict[str, str] = field(default_factory=dict)
    combined: int = 0  # tasks that only repeat two others: left out

    def of(self, suite: str, kind: str) -> list[Task]:
        return [task for task in self.tasks if (task.suite, task.kind) == (suite, kind)]

    @property
    def suites(self) -> list[str]:
        return sorted({task.suite for task in self.tasks})


def read_wheel(wheel: Path) -> Package:
    """Every task in the newest version that the wheel has of it."""
    with zipfile.ZipFile(wheel) as archive:
        return read({name: archive.read(name).decode("utf-8") for name in archive.namelist() if name.endswith(".py")})


def read(files: Mapping[str, str]) -> Package:
    """The same, from the text of each file."""
    found, newest = Package(), dict[tuple[str, str, int], Task]()
    for name, text in sorted(files.items(), key=_version):
        if match := _SUITE.match(name):
            tree = ast.parse(text)
            for task in _tasks(tree, suite=match[2]):
                newest[task.suite, task.kind, task.number] = task
            found.combined += sum(_called(node) == "create_combined_task" for node in ast.walk(tree))
        elif match := _TOOLS.match(name):
            server = match[1].removesuffix("_client").replace("_", "-")
            tree = ast.parse(text)
            found.servers |= {node.name: server for node in tree.body if isinstance(node, ast.FunctionDef)}
    found.tasks = [newest[key] for key in sorted(newest)]
    return found


def _version(item: tuple[str, str]) -> tuple[list[int], str]:
    match = _SUITE.match(item[0])
    return [int(part) for part in re.findall(r"[0-9]+", match[1])] if match else [], item[0]


def _called(node: ast.AST) -> str:
    return node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""


def _tasks(tree: ast.Module, *, suite: str) -> Iterator[Task]:
    module = _bindings(tree.body)
    for node in tree.body:
        match = _TASK.match(node.name) if isinstance(node, ast.ClassDef) else None
        if not isinstance(node, ast.ClassDef) or match is None:
            continue
        truth = next(
            (each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "ground_truth"), None
        )
        if truth is not None:
            scope = _Scope(module=module, own=_bindings(node.body), local=_locals(truth))
            yield Task(suite, match[1].lower(), int(match[2]), tuple(_calls(truth, scope)))


def _bindings(body: Sequence[ast.stmt]) -> dict[str, ast.expr]:
    found = {}
    for node in body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            found[node.target.id] = node.value
    return found


def _locals(function: ast.FunctionDef) -> dict[str, ast.expr]:
    """Names that are set once, at the top: one that a loop adds to has no value that could be read off."""
    stored = [node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    return {name: value for name, value in _bindings(function.body).items() if stored.count(name) == 1}


def _calls(truth: ast.FunctionDef, scope: _Scope) -> Iterator[Needed]:
    for node in truth.body:
        if isinstance(node, ast.Return) and isinstance(node.value, ast.List):
            for each in node.value.elts:
                if not isinstance(each, ast.Call):
                    raise TypeError(f"{ast.unparse(each)} is no call")  # nothing is left out without saying so
                yield _needed({word.arg: word.value for word in each.keywords if word.arg}, scope)


def _needed(words: Mapping[str, ast.expr], scope: _Scope) -> Needed:
    arguments, unknown = dict[str, Any](), set[str]()
    given = words.get("args")
    for key, value in zip(given.keys, given.values, strict=True) if isinstance(given, ast.Dict) else ():
        name = scope.value(key) if key is not None else ""
        try:
            arguments[name] = scope.value(value)
        except Unresolved:
            unknown.add(name)
    return Needed(scope.value(words["function"]), arguments, frozenset(unknown))


@dataclass(frozen=True, slots=True)
class _Scope:
    """What names stand for: a method's own, its class's, its module's."""

    module: Mapping[str, ast.expr]
    own: Mapping[str, ast.expr]
    local: Mapping[str, ast.expr]

    def value(self, node: ast.expr) -> Any:  # noqa: ANN401 - any JSON value
        """The value of an expression.

        Raises:
            Unresolved: It is not written there.
        """
        match node:
            case ast.Constant(value=value):
                return Decimal(str(value)) if isinstance(value, float) else value
            case ast.Name(id=name):
                return self._named(name)
            case ast.Attribute(value=ast.Name(id="self"), attr=name) if name in self.own:
                return self.value(self.own[name])
            case ast.BinOp():
                return self._computed(node)
            case ast.List() | ast.Tuple() | ast.Dict():
                return self._whole(node)
        return self._text(node)

    def _whole(self, node: ast.List | ast.Tuple | ast.Dict) -> Any:  # noqa: ANN401 - as above
        if isinstance(node, ast.Dict):
            return {self.value(key): self.value(value) for key, value in _pairs(node)}
        return [self.value(each) for each in node.elts]

    def _text(self, node: ast.expr) -> str:
        match node:
            case ast.JoinedStr(values=parts):
                return "".join(str(self.value(part)) for part in parts)
            case ast.FormattedValue(value=inner, format_spec=None):
                return str(self.value(inner))
            case ast.Call(func=ast.Attribute(value=text, attr="join"), args=[items], keywords=[]):
                return str(self.value(text)).join(map(str, self.value(items)))
            case ast.Call(func=ast.Attribute(value=text, attr="format"), args=[], keywords=words):
                return str(self.value(text)).format(**{word.arg or "": self.value(word.value) for word in words})
        raise Unresolved(ast.unparse(node))

    def _named(self, name: str) -> Any:  # noqa: ANN401 - as above
        for scope in (self.local, self.own, self.module):
            if name in scope:
                return self.value(scope[name])
        raise Unresolved(name)

    def _computed(self, node: ast.BinOp) -> Any:  # noqa: ANN401 - as above
        left, right = self.value(node.left), self.value(node.right)
        both = (isinstance(left, str) and isinstance(right, str)) or (
            isinstance(left, (int, Decimal)) and isinstance(right, (int, Decimal))
        )
        if both and isinstance(node.op, ast.Add):
            return left + right
        if both and isinstance(node.op, ast.Mult) and not isinstance(left, str):
            return left * right
        raise Unresolved(ast.unparse(node))


def _pairs(node: ast.Dict) -> Iterator[tuple[ast.expr, ast.expr]]:
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            raise Unresolved(ast.unparse(node))
        yield key, value
