"""The rows of `nodes`, within a change: registered, given up, settled, gone."""

from __future__ import annotations

from sqlalchemy import Connection, delete, func, insert, select, update

from remit.storage.node_schema import nodes
from remit.storage.schema import bundles, epoch

Signs = tuple[int, int]  # a node's numbers `beat` and `alive`


class SqlNodes:
    """The table on one open connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def register(self, node: str, *, now: int, covered: int) -> None:
        """A process begins. It has no call yet, and no use that is not written down."""
        applied = select(epoch.c.value).scalar_subquery()
        newest = select(func.coalesce(func.max(bundles.c.bundle), 0)).scalar_subquery()
        values = {
            "node": node, "started": now, "beat": 0, "alive": 0, "applied": applied, "held": 0, "mark": newest + 1,
            "covered": covered,
        }  # fmt: skip
        self._connection.execute(insert(nodes).values(values))

    def administered(self, node: str, admin: str, *, before: str) -> set[str]:
        """Say which admin token stands in a node's data directory; those of the other registered nodes.

        `before` is the node whose directory it was before.
        """
        self._connection.execute(update(nodes).where(nodes.c.node == before).values(admin=None))
        self._connection.execute(update(nodes).where(nodes.c.node == node).values(admin=admin))
        query = select(nodes.c.admin).where(nodes.c.node != node, nodes.c.admin.is_not(None))
        return {str(found) for found in self._connection.execute(query).scalars()}

    def set_mark(self, node: str, mark: int) -> None:
        """Its decisions in bundles below `mark` have their outcomes on disk."""
        self._connection.execute(update(nodes).where(nodes.c.node == node).values(mark=mark))

    def flushed(self, node: str, covered: int) -> None:
        """It wrote down all use that it saw until the coverage clock showed `covered`."""
        self._connection.execute(update(nodes).where(nodes.c.node == node).values(covered=covered))

    def claim(self, node: str, *, settler: str, seen: Signs | None, now: int) -> int | None:
        """Give a node up, and take it over to settle what it left; its mark, or None if it is not to be had.

        Whoever claimed it before writes nothing more about it (`settles`). With `seen`, only if it gave no
        sign of life since. Waits for what the node is just committing: after this it commits nothing.
        """
        mine = nodes.c.node == node
        if seen is not None:
            mine &= ((nodes.c.beat == seen[0]) & (nodes.c.alive == seen[1])) | nodes.c.ended.is_not(None)
        ended = func.coalesce(nodes.c.ended, now)
        claimed = update(nodes).where(mine).values(ended=ended, settler=settler).returning(nodes.c.mark)
        return self._connection.execute(claimed).scalar_one_or_none()

    def settles(self, node: str, settler: str) -> bool:
        """Whether it is still `settler` who settles it; locked until the commit."""
        query = select(nodes.c.settler).where(nodes.c.node == node).with_for_update()
        return self._connection.execute(query).scalar_one_or_none() == settler

    def forget(self, node: str) -> None:
        """It ended cleanly, or is settled."""
        self._connection.execute(delete(nodes).where(nodes.c.node == node))
