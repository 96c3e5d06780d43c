"""What a mandate says of a call when Remit cannot be asked, or need not be yet: advice for a plan, and no decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Never

from remit.sdk.mandate import Mandate


@dataclass(frozen=True, slots=True)
class Advice:
    """What speaks against a call, as far as a mandate knows.

    That nothing does is no permission: a freeze, a spent budget and much else stand in no mandate. So it has no truth
    value, and code that takes it for a decision fails.
    """

    problems: tuple[str, ...]
    advisory: Final = True

    @property
    def nothing_against(self) -> bool:
        """Whether Remit might allow it. Only Remit says that it does."""
        return not self.problems

    def __bool__(self) -> Never:
        raise TypeError("advice is no decision: look at nothing_against, and ask Remit before you act")


def check(
    action: str, arguments: Mapping[str, Any], *, agent: str, mandate: Mandate | None, now: float | None = None
) -> Advice:
    """Look a call up in a mandate that `mandate.verify` or `mandate.fetch` gave.

    Args:
        action: `server/tool`.
        arguments: The call's arguments; numbers as int or Decimal.
        agent: Whose call it is.
        mandate: None says nothing, which speaks against everything.
        now: Seconds since the epoch; None reads the clock.
    """
    if mandate is None:
        return Advice(("there is no mandate: read it while Remit can be reached",))
    if mandate.claims.get("sub") != agent:
        return Advice(("the mandate is another agent's",))
    return Advice(tuple(mandate.problems(action, arguments, now=now)))
