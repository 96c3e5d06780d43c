"""The one button that really stops, and the one that lets go on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from remit.console.desk import Look
from remit.console.pages.led import Led
from remit.console.pages.model import Act
from remit.console.paths import PATH

_ONE: Final = frozenset({"agent", "instance", "owner", "server", "tool", "credential"})


def freeze(look: Look, form: Mapping[str, str]) -> Led:
    """Stop it: nothing it asks passes any more, what runs is cut. Leads to the page that shows whether it holds."""
    name, reason = form.get("name", ""), form.get("reason", "") or "from the console"
    said = look.act("POST", "/v1/freezes", {"kind": form.get("kind", "agent"), "name": name, "reason": reason})
    cut = said.get("cut_count", len(said.get("cut", ())))
    contained = (
        "every enforcement point has confirmed" if said.get("contained") else "not every point has confirmed yet"
    )
    said_so = f"{name if name not in ('', '*') else 'Everything'} is frozen: {cut} running calls were cut, {contained}."
    return Led(said=said_so, to=f"{PATH}/freezes/{said['id']}")


def unfreeze(look: Look, form: Mapping[str, str]) -> str:
    """Let it go on."""
    kind, name = form.get("kind", "agent"), form.get("name", "")
    said = look.act("DELETE", f"/v1/freezes/{kind}/{name}")
    what = "Everything" if kind == "all" else name
    return f"{what} waits for a second person." if said.get("waits") else f"{what} is not frozen any more."


def _everything(form: Mapping[str, str]) -> bool:
    """Whether it is about more than one thing; what is not known to be about one is about everything."""
    return form.get("kind", "agent") not in _ONE


STOPS: Final = (
    Act(name="freeze", carry=freeze, grave=_everything),
    Act(name="unfreeze", carry=unfreeze, grave=_everything),
)
