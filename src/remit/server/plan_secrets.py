"""What `apply` makes of secrets' documents, and whether servers put secrets where they may go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from remit.catalog.model import Kind, Server
from remit.kernel.clock import Instant
from remit.people.document import Problem, SpecInvalid
from remit.server import plan_notes
from remit.server.documents import Document
from remit.server.first_words import SECRETS
from remit.server.plan_borrowed import elsewhere, ways
from remit.server.plan_change import PRUNED, Change, changed
from remit.server.plan_observed import WAITS
from remit.server.plan_spread import Spread, note, spread
from remit.server.voice import Voice
from remit.server.world import World
from remit.vault import allowed
from remit.vault.document import SecretDocument
from remit.vault.settings import admin
from remit.vault.signing_in import signs_in_at
from remit.vault.spec import ROTATION
from remit.vault.widening import borrows, signs_in_first, widens


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretPlans:
    """Plans secrets of one apply, and looks at where its servers send them."""

    world: World
    person: str
    voice: Voice
    now: Instant
    _spread: list[Spread] = field(default_factory=list)  # one, once the documents are known, if any
    _said: set[str] = field(default_factory=set)  # the servers that the documents name

    def begin(self, documents: Sequence[Document]) -> None:
        """See which secrets this apply would let go further, and whether somebody said so before."""
        self._said.update(each.name for each in documents if each.kind == "server")
        after: dict[str, SecretDocument | None] = dict.fromkeys(self.world.left_out("secret"))
        for each in documents:
            if each.kind == "secret":
                self.world.put("secret", each.name, each.value)
                after[each.name] = each.value
        if wider := {name: said for name, said in after.items() if self._wider(name, said)}:
            first = self.world.first_word(SECRETS)
            self._spread.append(spread(wider, person=self.person, counts=self.voice.counts, first=first, now=self.now))

    def one(self, said: SecretDocument) -> Change:
        """What becomes of one secret's document.

        Raises:
            SpecInvalid: Its owner is not registered, or a registered server puts it where it may not go.
        """
        before: SecretDocument | None = self.world.stored("secret", said.secret)
        if found := [*self._owner(said, before), *self._admin(said), *self._registered(said)]:
            raise SpecInvalid(found)
        coming = self._coming(said.secret)
        if coming is None or not coming.waits:
            shown = tuple(elsewhere(self.world, said))
            why = "; ".join([*self._wider(said.secret, said), *map(plan_notes.sent, shown)])
            state = "rotated" if said.rotate is not None else "made for each" if said.dynamic is not None else "kept"
            return Change(
                kind="secret", name=said.secret, change=changed(before, said), state=state, value=said, note=why,
                spread=coming, incidents=shown,
            )  # fmt: skip
        return self._waiting(said.secret, "create" if before is None else "update", before, said, coming)

    def pruned(self, name: str) -> Change:
        """What becomes of a document that no file says any more: the value stays, and its places are forgotten."""
        before: SecretDocument | None = self.world.stored("secret", name)
        coming = self._coming(name)
        if coming is not None and coming.waits:
            return self._waiting(name, "prune", before, None, coming)
        return Change(kind="secret", name=name, change="prune", state=PRUNED["secret"], spread=coming)

    def server_problems(self, server: Server) -> Iterator[Problem]:
        """That a server puts its secret where the secret's document, as there will be, does not let it."""
        if (going := self._refused(server)) is not None and server.credential is not None:
            yield Problem("credential", f"the secret {server.credential.secret} may not go to {going}")

    def _waiting(
        self, name: str, change: str, before: SecretDocument | None, said: SecretDocument | None, coming: Spread
    ) -> Change:
        why = "; ".join([*self._wider(name, said), note(self.person, counts=self.voice.counts)])
        return Change(
            kind="secret", name=name, change=change, state=WAITS, waits=True, note=why, value=before, spread=coming
        )

    def _wider(self, name: str, said: SecretDocument | None) -> tuple[str, ...]:
        """Why a second person must agree to a document: it lets its own secret go further, or another one anywhere."""
        before: SecretDocument | None = self.world.stored("secret", name)
        return (*widens(before, said), *self._first(name, before, said), *borrows(before, said, self._confined))

    def _first(self, name: str, before: SecretDocument | None, said: SecretDocument | None) -> tuple[str, ...]:
        """The first places of a secret are the word of who set its value, and so has it.

        Not of the owner whom a document names: that document was one person's, too. Attack: who set a value once, that
        others replaced, confines theirs.
        """
        return () if self.world.has_value_of(name) in {None, self.person} else signs_in_first(before, said)

    def _confined(self, name: str) -> bool:
        """Whether another secret's document says where it may go, now or with this apply alone."""
        found, before = self.world.secret(name), self.world.stored("secret", name)
        return found is not None and bool(found.allow) and not self._first(name, before, found)

    def _coming(self, name: str) -> Spread | None:
        return next((each for each in self._spread if name in each.secrets), None)

    def _owner(self, said: SecretDocument, before: SecretDocument | None) -> Iterator[Problem]:
        owner = self.world.owner(said.owner)
        if owner is None:
            yield Problem("owner", f"there is no owner {said.owner}")
        elif not owner.active and (before is None or before.owner != said.owner):
            yield Problem("owner", f"the owner {said.owner} is not active")

    def _admin(self, said: SecretDocument) -> Iterator[Problem]:
        """That another secret, whose document says where it may go, is not for signing in to change this one."""
        for part, name, settings in ways(said):
            other = None if (signs := admin(settings)) is None else self.world.secret(signs)
            if other is not None and (going := allowed.refused(other, signs_in_at(name, settings))) is not None:
                at = f", host: {going.host}" if going.host else ""
                said_so = f"allow: [{{place: {ROTATION}{at}}}]"
                yield Problem(f"{part}.admin", f"the secret {other.secret} may not be used for it: {said_so}")

    def _registered(self, said: SecretDocument) -> Iterator[Problem]:
        """Servers that stay as they are, and would get no credential from here on."""
        for server in self.world.servers() if said.allow else ():
            mine = server.credential is not None and server.credential.secret == said.secret
            if mine and server.server not in self._said and (going := self._refused(server)) is not None:
                yield Problem(
                    "allow", f"the server {server.server} puts it in {going}, which is not among these places"
                )

    def _refused(self, server: Server) -> allowed.Going | None:
        if server.credential is None:
            return None
        below, path = server.kind is Kind.HTTP, urlsplit(server.url).path or "/"
        host = "" if server.command else server.host
        places = allowed.going(server.credential, host=host, path=path, below=below)
        return allowed.refused(self.world.secret(server.credential.secret), places)
