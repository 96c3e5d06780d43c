"""Fields of a test of policies, as its file spells them (pure)."""

from __future__ import annotations

from typing import Any, Final

from remit.kernel.errors import Malformed
from remit.policy.model import Code

_EXPECTED: Final = frozenset({"allow", "deny", *Code})


def expected(value: object) -> str:
    """What is expected: allow, deny, or the code of a denial.

    Raises:
        Malformed: None of these.
    """
    if value not in _EXPECTED:
        raise Malformed("what is expected is allow, deny, or the code of a denial such as forbidden_by_policy")
    return str(value)


def an_object(value: object) -> dict[str, Any]:
    """An object. Raises Malformed."""
    if not isinstance(value, dict):
        raise Malformed("an object is expected")
    return value


def text(value: object) -> str:
    """Text that is not empty. Raises Malformed."""
    if not isinstance(value, str) or not value:
        raise Malformed("text is expected")
    return value
