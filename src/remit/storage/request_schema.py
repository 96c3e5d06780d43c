"""The tables of access requests; as in `schema`, a room's `sql` files read and write only its own."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text

from remit.storage.tables import metadata

access_requests = Table(  # what people are asked to let an agent do once
    "access_requests",
    metadata,
    Column("request", Text, primary_key=True),
    Column("agent", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("binding", Text, nullable=False),  # keyed hash of the very call
    Column("asker", Text, nullable=False),
    Column("idem", Text, nullable=False),  # hash of the asker's own key for it; "" without one
    Column("approval", Text, nullable=False),  # "" until it is approved
    Column("until", BigInteger, nullable=False),  # of an approval: until when it may be used
    Column("due", BigInteger, nullable=False),  # when something happens by itself
    Column("gone", BigInteger, nullable=False),  # when it is deleted
    Column("body", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # the arguments, under the agent's data key
)
Index("access_requests_agent", access_requests.c.agent, access_requests.c.state)
Index("access_requests_asker", access_requests.c.asker, access_requests.c.idem)
Index("access_requests_binding", access_requests.c.binding)
Index("access_requests_due", access_requests.c.due)
Index("access_requests_gone", access_requests.c.gone)
approval_uses = Table(  # an approval lets one call pass: the decision that used it
    "approval_uses",
    metadata,
    Column("request", Text, primary_key=True),
    Column("decision", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)
deliveries = Table(  # what is still to be told to somebody outside
    "deliveries",
    metadata,
    Column("delivery", Text, primary_key=True),
    Column("way", Text, nullable=False),  # webhook, mail, callback
    Column("target", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("due", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
)
Index("deliveries_due", deliveries.c.due)
