"""Every table. Times are BIGINT microseconds; JSON is text written by `kernel.canonical`.

A room's `sql.py` reads and writes only its own tables, named in the comments here.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
)

from remit.storage.tables import metadata

# storage ---------------------------------------------------------------------------------
meta = Table("meta", metadata, Column("key", Text, primary_key=True), Column("value", Text, nullable=False))
epoch = Table(
    "epoch",
    metadata,
    Column("id", Integer, primary_key=True),  # always 1
    Column("value", BigInteger, nullable=False),
)
counters = Table(
    "counters",
    metadata,
    Column("key", Text, primary_key=True),
    Column("window", BigInteger, primary_key=True),
    Column("used", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    sqlite_with_rowid=False,  # one tree instead of two: half the pages that a commit writes
)
proofs = Table(
    "proofs",
    metadata,
    Column("key", Text, primary_key=True),
    Column("expires", BigInteger, nullable=False),
    sqlite_with_rowid=False,  # one tree instead of two: half the pages that a commit writes
)

# audit -----------------------------------------------------------------------------------
bundles = Table(  # one row per group commit: the headers of its entries, compressed
    "bundles",
    metadata,
    Column("bundle", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("count", Integer, nullable=False),
    Column("headers", LargeBinary, nullable=False),
    Column("first", BigInteger),  # log index of its first entry; NULL until sequenced
    # SQLite: what a small commit writes besides, kept in its one row until the writer files it (see `unfiled`).
    Column("sealed", LargeBinary),  # the payloads
    Column("unfiled", Text),  # {"ids": of its entries, "proofs": key to expires}; NULL once filed
)
# Finds what stands at a place and, on PostgreSQL, what waits for one. SQLite's one writer gives places in order, so
# there what waits are the last rows, and a commit has one page less to write.
Index("bundles_first", bundles.c.first, unique=True, sqlite_where=bundles.c.first.is_not(None))
entries = Table(  # the slim index: where an entry stands
    "entries",
    metadata,
    Column("entry", Text, primary_key=True),
    Column("bundle", BigInteger, nullable=False),
    Column("slot", Integer, nullable=False),
    sqlite_with_rowid=False,  # one tree instead of two: half the pages that a commit writes
)
payloads = Table(  # the sealed payloads of a bundle, each sealed by itself, concatenated with lengths
    "payloads",
    metadata,
    Column("bundle", BigInteger, primary_key=True, autoincrement=False),
    Column("sealed", LargeBinary, nullable=False),
)
tiles = Table(
    "tiles",
    metadata,
    Column("level", Integer, primary_key=True),
    Column("index", BigInteger, primary_key=True),
    Column("hashes", LargeBinary, nullable=False),  # up to 256 x 32 bytes
)
checkpoints = Table(
    "checkpoints",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("note", Text, nullable=False),
    Column("signed", BigInteger, nullable=False),
)
log_terms = Table(  # what entries are found by: a term's places in one stretch of the log (audit.terms); derived
    "log_terms",
    metadata,
    Column("stretch", Integer, primary_key=True, autoincrement=False),  # first: a stretch is written at one place
    Column("term", BigInteger, primary_key=True, autoincrement=False),
    Column("places", LargeBinary, nullable=False),
    sqlite_with_rowid=False,  # one tree instead of two
)
log_stretches = Table(  # the stretches that are in it, with the times between which their entries were recorded
    "log_stretches",
    metadata,
    Column("stretch", Integer, primary_key=True, autoincrement=False),
    Column("earliest", BigInteger, nullable=False),
    Column("latest", BigInteger, nullable=False),
)
states = Table(  # what every object's rows hashed to when its last `change` entry was recorded, sealed
    "states",
    metadata,
    Column("what", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("digest", Text, nullable=False),  # "" where it has no rows any more
    Column("entry", Text, nullable=False),
    Column("seal", LargeBinary, nullable=False),
)
bodies = Table(  # what hashes to such a digest, of objects that decisions read: kept, so that one can be made again
    "bodies",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("body", LargeBinary, nullable=False),  # compressed
)

# keys ------------------------------------------------------------------------------------
roots = Table(  # the root keys: one, or two while what the older one seals is sealed anew
    "roots",
    metadata,
    Column("generation", Integer, primary_key=True, autoincrement=False),  # counted from 1
    Column("wrapped", LargeBinary),  # by what stands outside (keyfile, passphrase, ...); NULL once retired
    Column("created", BigInteger, nullable=False),
    Column("retired", BigInteger),
)
data_keys = Table(
    "data_keys",
    metadata,
    Column("owner", Text, primary_key=True),  # "agent:NAME", "secret:NAME", "operators", "derived"
    Column("version", Integer, primary_key=True),
    Column("wrapped", LargeBinary),  # NULL once erased
    Column("created", BigInteger, nullable=False),
    Column("generation", Integer),  # of the root key that seals it; NULL: the first
)
# What an older root key seals, of a million, is found as quickly when it is the last row as when it is the first.
Index("data_keys_generation", data_keys.c.generation, sqlite_where=data_keys.c.wrapped.is_not(None))
signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("use", Text, nullable=False),  # "log", "token" or "set"
    Column("algorithm", Text, nullable=False),
    Column("public", Text, nullable=False),  # public JWK
    Column("wrapped", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),  # pending, active, verify_only, retired (keys/rotation.py)
    Column("created", BigInteger, nullable=False),
    Column("since", BigInteger),  # when it came into its state; NULL: since it was made
    Column("distrusted", Boolean),  # retired before its time: what was begun with its tokens ends
    Column("generation", Integer),  # as of data keys
)

# people, agents --------------------------------------------------------------------------
owners = Table(
    "owners",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("body", Text, nullable=False),
    Column("active", Boolean, nullable=False),
)
agents = Table(
    "agents",
    metadata,
    Column("agent", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("body", Text, nullable=False),
)
instances = Table(  # tokens: a running copy, known since it first got a token
    "instances",
    metadata,
    Column("agent", Text, primary_key=True),
    Column("instance", Text, primary_key=True),
    Column("credential", Text, nullable=False),
    Column("first_seen", BigInteger, nullable=False),
    Column("last_seen", BigInteger, nullable=False),
)
runs = Table(  # tokens
    "runs",
    metadata,
    Column("run", Text, primary_key=True),
    Column("agent", Text, nullable=False),
    Column("instance", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("opened", BigInteger, nullable=False),
    Column("ends", BigInteger, nullable=False),
    Column("token_expires", BigInteger, nullable=False),
    Column("above", Text),  # the run of the agent for which it acts; NULL or empty: for itself
)
Index("runs_open", runs.c.agent, runs.c.instance, runs.c.purpose)

# catalog ---------------------------------------------------------------------------------
servers = Table(
    "servers",
    metadata,
    Column("server", Text, primary_key=True),
    Column("body", Text, nullable=False),
    Column("set_pin", Text, nullable=False),
)
tools = Table(
    "tools",
    metadata,
    Column("server", Text, primary_key=True),
    Column("tool", Text, primary_key=True),
    Column("tier", Text, nullable=False),
    Column("pin", Text, nullable=False),
    Column("definition", Text, nullable=False),
    Column("seen", Text),
    Column("state", Text, nullable=False),
    ForeignKeyConstraint(["server"], ["servers.server"]),
)

# access, policy, freezes -----------------------------------------------------------------
purposes = Table(
    "purposes",
    metadata,
    Column("purpose", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("body", Text, nullable=False),
)
boundaries = Table(
    "boundaries",
    metadata,
    Column("boundary", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("agent", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("source", Text, nullable=False),  # the document as applied, globs and all
    Column("rules", Text),  # the expanded rules, once approved
    Column("not_after", BigInteger, nullable=False),
    Column("approved_by", Text),
    Column("approved_at", BigInteger),
    Column("kind", Text),  # break_glass; NULL for an ordinary one
)
# Each names the state too: SQLite takes the index that more of a query's columns are in, and nearly all are active.
Index("boundaries_agent", boundaries.c.agent, boundaries.c.state)
Index("boundaries_state", boundaries.c.state, boundaries.c.boundary)  # few wait of very many
policies = Table(  # the organisation's policies in force, one row per file
    "policies",
    metadata,
    Column("file", Text, primary_key=True),
    Column("text", Text, nullable=False),
)
declarations = Table(  # policy: what the organisation declared of its own types, one row per file
    "declarations",
    metadata,
    Column("file", Text, primary_key=True),
    Column("part", Text, nullable=False),  # schema, entities, authzen
    Column("text", Text, nullable=False),
)
activations = Table(  # access: entitlements that were started
    "activations",
    metadata,
    Column("agent", Text, primary_key=True),
    Column("purpose", Text, primary_key=True),
    Column("action", Text, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("serial", BigInteger, nullable=False),  # raised by every transition; use does not raise it
    Column("body", Text, nullable=False),
    Column("due", BigInteger, nullable=False),  # when its verdict may change by itself
    Column("last", BigInteger, nullable=False),
    Column("covered", BigInteger, nullable=False),
    Column("days", Integer, nullable=False),
    Column("gaps", Text, nullable=False),
)
Index("activations_due", activations.c.due)
notices = Table(  # people: what an owner is told
    "notices",
    metadata,
    Column("notice", Text, primary_key=True),
    Column("agent", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("seen", BigInteger),
)
Index("notices_agent", notices.c.agent)
risks = Table(  # agents: a person's or a signal's word on how risky an agent is now
    "risks",
    metadata,
    Column("agent", Text, primary_key=True),
    Column("risk", Integer, nullable=False),  # millionths
    Column("since", BigInteger, nullable=False),
    Column("calm", BigInteger),  # since when all that is known of it comes to little; NULL while it does not
)
signals = Table(  # agents: what was noticed about one and is not over
    "signals",
    metadata,
    Column("agent", Text, primary_key=True),
    Column("signal", Text, primary_key=True),
    Column("about", Text, primary_key=True),  # an action, a purpose, a credential; "" for the agent as a whole
    Column("since", BigInteger, nullable=False),
    Column("by", Text, nullable=False),
)
suspensions = Table(  # agents: who suspended one
    "suspensions",
    metadata,
    Column("agent", Text, primary_key=True),
    Column("by", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
)
freezes = Table(
    "freezes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("ended", BigInteger),
    Column("ended_by", Text),
)

revoked_tokens = Table(  # tokens: revoked before they expired
    "revoked_tokens",
    metadata,
    Column("key", Text, primary_key=True),  # jti
    Column("agent", Text, nullable=False),
    Column("expires", BigInteger, nullable=False),
)

# server ----------------------------------------------------------------------------------
peps = Table(  # registered enforcement points
    "peps",
    metadata,
    Column("pep", Text, primary_key=True),
    Column("token_hash", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
)
operators = Table(
    "operators",
    metadata,
    Column("token_hash", Text, primary_key=True),
    Column("person", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
)
