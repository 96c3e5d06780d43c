"""The tables of trust, delegation and consent; as in `schema`, a room's `sql` files read and write only its own."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text

from remit.storage.tables import metadata

# attestation -----------------------------------------------------------------------------
trusts = Table(  # issuers whose word is taken for what a running copy is
    "trusts",
    metadata,
    Column("trust", Text, primary_key=True),
    Column("body", Text, nullable=False),  # canonical JSON: issuer, audience, where its keys are
    Column("created", BigInteger, nullable=False),
)
# people ----------------------------------------------------------------------------------
consents = Table(  # what a person let a client do as which agent
    "consents",
    metadata,
    Column("consent", Text, primary_key=True),
    Column("person", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("client", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("body", Text, nullable=False),  # canonical JSON: resources, when and until when
    Column("state", Text, nullable=False),  # given, withdrawn
    Column("until", BigInteger, nullable=False),
)
Index("consents_of", consents.c.agent, consents.c.person)
# tokens ----------------------------------------------------------------------------------
authorization_codes = Table(
    "authorization_codes",
    metadata,
    Column("code", Text, primary_key=True),  # hex SHA-256 of it
    Column("consent", Text, nullable=False),
    Column("body", Text, nullable=False),  # canonical JSON: client, redirect, challenge, agent, purpose, resources
    Column("used", Text, nullable=False),  # the family that it began; "" until it is used
    Column("expires", BigInteger, nullable=False),
)
refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("token", Text, primary_key=True),  # hex SHA-256 of it
    Column("family", Text, nullable=False),
    Column("consent", Text, nullable=False),
    Column("body", Text, nullable=False),  # canonical JSON: client, agent, purpose, resources, key it is bound to
    Column("state", Text, nullable=False),  # live, used, revoked
    Column("expires", BigInteger, nullable=False),
)
Index("refresh_tokens_family", refresh_tokens.c.family)
Index("refresh_tokens_consent", refresh_tokens.c.consent)
delegations = Table(  # one agent acts for another, within less than it has
    "delegations",
    metadata,
    Column("delegation", Text, primary_key=True),
    Column("parent", Text, nullable=False),  # the agent whose access it is
    Column("child", Text, nullable=False),  # the agent that acts
    Column("above", Text, nullable=False),  # the delegation that it was made under; "" where the parent is the first
    Column("purpose", Text, nullable=False),
    Column("depth", Integer, nullable=False),
    Column("body", Text, nullable=False),  # canonical JSON: the attenuated rules, run, token, txn
    Column("state", Text, nullable=False),  # live, ended
    Column("ends", BigInteger, nullable=False),
)
Index("delegations_parent", delegations.c.parent)
Index("delegations_child", delegations.c.child)
# vault -----------------------------------------------------------------------------------
connections = Table(  # a person's own account at another system, lent to the agents that act for that person
    "connections",
    metadata,
    Column("connection", Text, primary_key=True),  # SECRET/PERSON
    Column("secret", Text, nullable=False),  # the client's
    Column("person", Text, nullable=False),
    Column("state", Text, nullable=False),  # live, ended
    Column("client", Text, nullable=False),  # digest of whose client it was lent to
    Column("scope", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # the refresh token
    Column("connected", BigInteger, nullable=False),
    Column("changed", BigInteger, nullable=False),
)
connection_claims = Table(  # which of them some node refreshes at this moment, and until when it alone may
    "connection_claims",
    metadata,
    Column("connection", Text, primary_key=True),
    Column("until", BigInteger, nullable=False),
)
