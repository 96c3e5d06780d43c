"""A function that asks before it runs, and says afterwards what became of it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, Protocol, TypeVar

import anyio

from remit.sdk.arguments import NotTellable, Parameters, parameters
from remit.sdk.decision import Decision, Denied, local

F = TypeVar("F", bound=Callable[..., Any])
_REPORT_SECONDS: Final = 5.0  # that a call which was cancelled may still take to say so


class Authorizes(Protocol):
    """What decides, and takes reports: a `Guard`."""

    async def authorize(
        self, action: str, resource: str | None = None, arguments: Mapping[str, Any] | None = None
    ) -> Decision:
        """Decide one call; never raises."""
        ...

    def authorize_sync(
        self, action: str, resource: str | None = None, arguments: Mapping[str, Any] | None = None
    ) -> Decision:
        """The same, for code that is not async."""
        ...

    async def report(self, decision: Decision, outcome: str) -> bool:
        """Say what became of an allowed call; never raises."""
        ...

    def report_sync(self, decision: Decision, outcome: str) -> bool:
        """The same, for code that is not async."""
        ...


def guarded(
    guard: Authorizes, function: F, *, action: str, leaving_out: Collection[str] = (),
    denied: Callable[[Denied], Any] | None = None,
) -> F:  # fmt: skip
    """`function`, guarded. See `Guard.tool`.

    Raises:
        TypeError: It is no function, or a generator, which runs after it has been called; or it takes arguments that
            have no name.
    """
    if not inspect.isroutine(function):
        raise TypeError("only a function is guarded")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError("a guarded tool is no generator: it would run long after it was decided")
    taken = parameters(function, leaving_out)
    refused = _raised if denied is None else denied
    if inspect.iscoroutinefunction(function):
        return _asynchronous(guard, function, action, taken, refused)  # type: ignore[return-value] # the same call
    return _synchronous(guard, function, action, taken, refused)  # type: ignore[return-value] # the same call


def _asynchronous(
    guard: Authorizes, function: Callable[..., Any], action: str, taken: Parameters, refused: Callable[[Denied], Any]
) -> Callable[..., Any]:
    @functools.wraps(function)
    async def run(*args: Any, **keywords: Any) -> Any:  # noqa: ANN401 - the function's own
        try:
            bound, told = taken.bind(args, keywords)
        except NotTellable as error:
            return refused(Denied(local(action, "invalid_arguments", str(error), path=error.path)))
        decision = await guard.authorize(action, None, told)
        if not decision.allowed:
            return refused(Denied(decision))
        outcome = "outcome_unknown"  # of what is cancelled while it runs, nobody knows how far it came
        try:
            result = await function(*bound.args, **bound.kwargs)
            outcome = "ok"
        except Exception:
            outcome = "error"
            raise
        finally:
            with anyio.move_on_after(_REPORT_SECONDS, shield=True):
                await guard.report(decision, outcome)
        return result

    return run


def _synchronous(
    guard: Authorizes, function: Callable[..., Any], action: str, taken: Parameters, refused: Callable[[Denied], Any]
) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(*args: Any, **keywords: Any) -> Any:  # noqa: ANN401 - the function's own
        try:
            bound, told = taken.bind(args, keywords)
        except NotTellable as error:
            return refused(Denied(local(action, "invalid_arguments", str(error), path=error.path)))
        decision = guard.authorize_sync(action, None, told)
        if not decision.allowed:
            return refused(Denied(decision))
        outcome = "outcome_unknown"
        try:
            result = function(*bound.args, **bound.kwargs)
            outcome = "ok"
        except Exception:
            outcome = "error"
            raise
        finally:
            guard.report_sync(decision, outcome)
        return result

    return run


def _raised(denied: Denied) -> Any:  # noqa: ANN401 - it returns nothing
    raise denied
