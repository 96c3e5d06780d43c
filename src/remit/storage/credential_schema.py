"""Tables of upstream credentials: their versions, how these are changed, who used them, what was lent for a while."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text

from remit.storage.tables import metadata

secrets = Table(
    "secrets",
    metadata,
    Column("secret", Text, primary_key=True),
    Column("version", Integer, nullable=False),  # that calls use; 0: none
    Column("sealed", LargeBinary),  # of a version that was set before there were versions and is used yet; else NULL
    Column("changed", BigInteger, nullable=False),
    Column("body", Text),  # its document; NULL if none was applied
    Column("setter", Text),  # who gave it its first value; NULL if that was before this was kept, or nobody did
)
secret_versions = Table(
    "secret_versions",
    metadata,
    Column("secret", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("state", Text, nullable=False),  # pending, active, draining, revoked, failed (vault/model.py)
    Column("sealed", LargeBinary),  # NULL once it is over
    Column("key", Text, nullable=False),  # the owner of the data key that seals it
    Column("attributes", Text, nullable=False),  # what is no secret of it: user, access key id; canonical JSON, or ""
    Column("made", BigInteger, nullable=False),
    Column("since", BigInteger, nullable=False),  # when it came into its state
    Column("exposed", BigInteger),  # since when it may be known elsewhere
    Column("exposure", Text),  # who says so, and why
)
secret_uses = Table(  # by whom a version was used; written now and then, not at each call
    "secret_uses",
    metadata,
    Column("secret", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("agent", Text, primary_key=True),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("calls", BigInteger, nullable=False),
)
rotations = Table(
    "rotations",
    metadata,
    Column("rotation", Text, primary_key=True),
    Column("secret", Text, nullable=False),
    Column("body", Text, nullable=False),  # vault/rotation.py
    Column("started", BigInteger, nullable=False),
    Column("ended", BigInteger),
    Column("open", Text),  # the secret again while it goes on, else NULL: at most one of a secret does
)
Index("rotations_secret", rotations.c.secret, rotations.c.started)
Index("rotations_open", rotations.c.open, unique=True)
leases = Table(  # credentials that were made for one instance, and end with its access
    "leases",
    metadata,
    Column("lease", Text, primary_key=True),
    Column("secret", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("instance", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("body", Text, nullable=False),  # vault/lease.py
    Column("ended", BigInteger),
)
Index("leases_open", leases.c.ended)
due = Table(  # what is to be done next, by whichever node takes it first
    "due",
    metadata,
    Column("kind", Text, primary_key=True),  # rotation, lease
    Column("name", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("fence", BigInteger, nullable=False),  # raised by every claim: who holds an older one has lost it
    Column("node", Text, nullable=False),  # who claimed it; "" nobody
    Column("until", BigInteger, nullable=False),  # until when it is theirs
)
Index("due_at", due.c.at)
