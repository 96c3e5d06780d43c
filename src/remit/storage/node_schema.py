"""The tables by which several nodes share one PostgreSQL. With SQLite they stay empty: there is one node."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Table, Text

from remit.storage.tables import metadata

feed = Table(  # what each change of state touched, for the other nodes; pruned after some minutes
    "feed",
    metadata,
    Column("epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("topics", Text, nullable=False),  # a JSON list
    Column("at", BigInteger, nullable=False),
)
nodes = Table(  # one row for each server process that runs, or did not end cleanly and is not settled yet
    "nodes",
    metadata,
    Column("node", Text, primary_key=True),
    Column("started", BigInteger, nullable=False),
    Column("beat", BigInteger, nullable=False),  # raised by each look at the feed
    Column("alive", BigInteger, nullable=False),  # raised each second, also while its writer waits for its turn
    Column("applied", BigInteger, nullable=False),  # the epoch up to which its view has everything
    Column("held", BigInteger, nullable=False),  # the same, with every enforcement point that hangs on it
    Column("mark", BigInteger, nullable=False),  # its decisions in bundles below this have their outcome (audit)
    Column("covered", BigInteger, nullable=False),  # the coverage clock when it last wrote down the use it saw
    Column("admin", Text),  # hash of the admin token in its data directory
    Column("ended", BigInteger),  # since when it is given up: nothing that it does is recorded any more
    Column("settler", Text),  # who settles what it left
)
