"""What the source of a module says it reads of a query string: of `ask.query`, or of a request's `query_params`.

Read from its syntax tree, through the functions of that module. A use of which that cannot be said stands among the
names as `!` and its line, a name that only a caller knows as `?` and the parameter: neither is a name that a door has.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Given = Mapping[str, str]  # parameters of which a call says what they are


class Source:
    """One module."""

    def __init__(self, text: str, values: Mapping[str, Any]) -> None:
        self._values = values
        self._around: dict[ast.AST, tuple[ast.AST, ...]] = dict(_placed(ast.parse(text), ()))
        self._functions = [node for node in self._around if isinstance(node, Function)]

    @classmethod
    def read(cls, module: ModuleType) -> Source:
        """The source of a module that is imported."""
        return cls(inspect.getsource(module), vars(module))

    def everything(self) -> set[str]:
        """Every name that is read anywhere in it."""
        found = [self._reads(each, {}, set()) for each in self._functions]
        return {name for names in found for name in names if not name.startswith("?")}

    def of(self, called: Callable[..., object]) -> set[str]:
        """The names that a function of it, a method or a lambda, reads itself or through other functions of it."""
        function = getattr(called, "__func__", called)
        assert isinstance(function, FunctionType), called
        if function.__name__ != "<lambda>":
            return self.named(function.__name__)
        line = function.__code__.co_firstlineno
        roots = [each for each in self._functions if isinstance(each, ast.Lambda) and each.lineno == line]
        assert roots, called
        return {name for each in roots for name in self._reads(each, {}, set())}

    def named(self, name: str) -> set[str]:
        """The same, of the functions that have this name."""
        roots = self._called(name)
        assert roots, name
        return {read for each in roots for read in self._reads(each, {}, set())}

    def _reads(self, root: Function, given: Given, seen: set[tuple[ast.AST, str]]) -> set[str]:
        if (mark := (root, str(sorted(given.items())))) in seen:
            return set()
        seen.add(mark)
        found: set[str] = set()
        for node in ast.walk(root):
            if (name := self._name(node)) is not None:
                found |= self._said(name, given)
            elif self._is_query(node) and not self._is_known(node):
                found.add(f"!{getattr(node, 'lineno', 0)}")
            for each in self._own(node):
                found |= self._reads(each, self._arguments(node, each), seen)
        return found

    def _name(self, node: ast.AST) -> ast.expr | None:
        """The expression of the name that a node reads, if it reads one."""
        match node:
            case ast.Call(func=ast.Attribute(value=of, attr="get"), args=[name, *_]) if self._is_query(of):
                return name
            case ast.Call(func=ast.Attribute(value=ast.Name(), attr="number"), args=[name, *_]):
                return name
            case ast.Subscript(value=of, slice=name) if self._is_query(of):
                return name
            case ast.Compare(left=name, ops=[ast.In() | ast.NotIn()], comparators=[of]) if self._is_query(of):
                return name
        return None

    def _is_query(self, node: ast.AST) -> bool:
        match node:
            case ast.Attribute(value=ast.Name(), attr="query" | "query_params"):
                return True
            case ast.Name(id="query", ctx=ast.Load()):
                return any(_takes_query(each) for each in self._around[node] if isinstance(each, Function))
        return False

    def _is_known(self, node: ast.AST) -> bool:
        """Whether a query string is read by name here, asked for being empty, or handed to a function of the module."""
        parent, grandparent, *_ = self._around[node]
        if isinstance(parent, ast.Call) and (own := self._own(parent.func)):
            return all(_takes_query(each) for each in own)
        emptiness = isinstance(parent, ast.If) and parent.test is node
        return emptiness or self._name(parent) is not None or self._name(grandparent) is not None

    def _said(self, name: ast.expr, given: Given) -> set[str]:
        match name:
            case ast.Constant(value=str(said)):
                return {said}
            case ast.Name(id=said) if said in given:
                return {given[said]}
            case ast.Name(id=said):
                for each in self._around[name]:
                    for loop in getattr(each, "generators", ()):
                        match loop:
                            case ast.comprehension(target=ast.Name(id=known), iter=ast.Name(id=over)) if known == said:
                                return set(self._values[over])
                    if isinstance(each, Function) and said in _parameters(each):
                        return {f"?{said}"}
        return {f"!{name.lineno}"}

    def _own(self, node: ast.AST) -> list[Function]:
        """The functions of this module that a node may name: `self.name`, or `name`."""
        match node:
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                return [each for each in self._called(name) if self._is_method(each)]
            case ast.Name(id=name, ctx=ast.Load()):
                return [each for each in self._called(name) if not self._is_method(each)]
        return []

    def _called(self, name: str) -> list[Function]:
        return [each for each in self._functions if not isinstance(each, ast.Lambda) and each.name == name]

    def _is_method(self, function: Function) -> bool:
        return isinstance(self._around[function][0], ast.ClassDef)

    def _arguments(self, node: ast.AST, function: Function) -> dict[str, str]:
        """What the parameters of a function are where a node names it, as far as that is said in so many letters."""
        names, defaults = [name for name in _parameters(function) if name != "self"], function.args.defaults
        found: dict[str, ast.expr] = dict(zip(names[len(names) - len(defaults) :], defaults, strict=True))
        match self._around[node][0]:
            case ast.Call(func=func, args=args, keywords=keywords) if func is node:
                found |= dict(zip(names, args, strict=False))
                found |= {each.arg: each.value for each in keywords if each.arg}
        said = {name: each.value for name, each in found.items() if isinstance(each, ast.Constant)}
        return {name: value for name, value in said.items() if isinstance(value, str)}


def _takes_query(function: Function) -> bool:
    """Whether it has a parameter `query` that is the names and their values; one that is a text is parsed elsewhere."""
    given = (*function.args.posonlyargs, *function.args.args)
    return any(each.arg == "query" and not _is_text(each.annotation) for each in given)


def _is_text(annotation: ast.expr | None) -> bool:
    return isinstance(annotation, ast.Name) and annotation.id == "str"


def _parameters(function: Function) -> list[str]:
    return [each.arg for each in (*function.args.posonlyargs, *function.args.args)]


def _placed(node: ast.AST, around: tuple[ast.AST, ...]) -> Iterator[tuple[ast.AST, tuple[ast.AST, ...]]]:
    """Every node with what it stands in, the innermost first."""
    yield node, around
    for child in ast.iter_child_nodes(node):
        yield from _placed(child, (node, *around))
