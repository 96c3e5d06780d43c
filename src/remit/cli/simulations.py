"""Running a simulation, on a server or beside its data, and telling what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from remit.cli.output import data_json, data_text, facts, table, talk
from remit.cli.replaying import where
from remit.cli.sources import provider
from remit.cli.wire import connect
from remit.kernel.errors import Conflict
from remit.keys.ports import Provider
from remit.policy.simulate import Part, part_from, report
from remit.server.simulating import Work, simulate
from remit.server.what_if import Asked, within_of

_PATIENCE: Final = 1.0  # seconds between two words of progress
_SHOWN: Final = 20
_WORDS: Final = {"widen": "would be let through", "narrow": "would be refused", "otherwise": "answered otherwise"}
_WHY: Final = {
    "erased": "the agent's data key was erased",
    "before_history": "from before their circumstances were kept",
    "unasked": "about nothing that exists here",
    "own_types": "about the organisation's own types",
}


@dataclass(frozen=True, slots=True)
class Opens:
    """Makes what opens a database's keys, in whichever process asks."""

    keyfile: Path | None
    passphrase_file: Path | None
    key_provider: Path | None = None

    def __call__(self) -> Provider | None:
        """The provider; None if there is no such file."""
        return provider(self.keyfile, self.passphrase_file, self.key_provider)


def live(
    asked: Mapping[str, Any], *, since: str | None, until: str | None, agent: str | None, base: str | None,
    as_: str | None,
) -> dict[str, Any]:  # fmt: skip
    """On a running server, part by part.

    Raises:
        Conflict: The policies or boundaries in force are not those of `base`, or moved meanwhile.
        IntegrityFailed: As `report`.
    """
    api, told, whole = connect(as_), _told("entries"), Part()
    said = {**asked, "since": since, "until": until, "agent": agent, "base": base}
    body = {name: value for name, value in said.items() if value is not None}
    at: int | None = 0
    seen: set[tuple[str, str | None]] = set()
    while at is not None:
        answer = api.post("/v1/policies/simulate", {**body, "from": at})
        seen.add((answer["base"], answer["candidate"]))
        if len(seen) > 1:
            raise Conflict("the policies or boundaries in force moved meanwhile", try_="run it again")
        whole.add(part_from(answer))
        at = answer["next"]
        told(at or 0, None)
    ((standing, candidate),) = seen
    return report(whole, base=standing, within=within_of(since, until, agent), candidate=candidate)


def offline(
    data: str, opens: Opens, asked: Mapping[str, Any], *, since: str | None, until: str | None, agent: str | None,
    base: str | None, processes: int,
) -> dict[str, Any]:  # fmt: skip
    """Beside a data directory or database, with no server."""
    wanted = Asked(asked["documents"], asked["prune"], asked["lapsed"])
    work = Work(where(data), opens, wanted, within_of(since, until, agent))
    return simulate(work, processes=processes, plan=base, progress=_told("entries"))


def _told(what: str) -> Callable[[int, int | None], None]:
    began = [time.monotonic()]

    def told(many: int, of: int | None) -> None:
        if time.monotonic() - began[0] >= _PATIENCE:
            began[0] = time.monotonic()
            talk(f"{many} {what} gone through ..." if of is None else f"{many} of {of} {what} gone through ...")

    return told


def tell(found: Mapping[str, Any], *, json: bool) -> None:
    """For a person, or as one JSON object."""
    if json:
        data_json(found)
        return
    data_text(f"{found['reproduced']} of {found['decisions']} decisions come out as they were recorded")
    for why, many in found["not_replayable"].items():
        data_text(f"{many} cannot be replayed: {_WHY[why]}", style="yellow")
    for each in found["differs"][:_SHOWN]:
        data_text(f"{each['id']}  {each['agent']} {each['action']}: {each['how']}", style="red")
    if len(found["differs"]) > _SHOWN:
        talk(f"  and {len(found['differs']) - _SHOWN} more; all of them with --json")
    if found["candidate"] is not None:
        _flips(found)
    facts({"base": found["base"], "digest": found["digest"]})


def enough(found: Mapping[str, Any], at_least: int) -> bool:
    """Whether so many decisions were made again. Says so if not, or if none was: a gate that saw nothing is none."""
    again = found["reproduced"]
    if not again:
        talk(
            f"nothing was replayed, of {found['decisions']} decisions: that says nothing of the change", style="yellow"
        )
    if again >= at_least:
        return True
    talk(f"too little was replayed: {again}, and --at-least says {at_least}", style="red")
    talk("  try      another --since, or --at-least 0 where no call was made yet")
    return False


def _flips(found: Mapping[str, Any]) -> None:
    counts = ", ".join(f"{many} {_WORDS[change]}" for change, many in found["changes"].items())
    none = "nothing would have been answered otherwise" if found["reproduced"] else "that says nothing of the change"
    data_text(counts or none)
    flips = found["flips"]
    if flips:
        table(
            ("decision", "agent", "action", "was", "would be"),
            [
                (each["id"], each["agent"], each["action"], _answer(each, "was"), _answer(each, "would"))
                for each in flips[:_SHOWN]
            ],
        )
    if len(flips) > _SHOWN:
        talk(f"  and {len(flips) - _SHOWN} more; all of them with --json")
    if found["uncounted"]:
        talk(f"  {found['uncounted']} met a limit that was not counted then, and took it as unused", style="yellow")


def _answer(flip: Mapping[str, Any], which: str) -> str:
    said = flip[which]
    starts = " (starts)" if flip.get("starts", {}).get(which) else ""
    if said["decision"] == "allow":
        return f"allow, {said['boundary']}{starts}"
    return ", ".join(str(said[name]) for name in ("code", "policy") if name in said)
