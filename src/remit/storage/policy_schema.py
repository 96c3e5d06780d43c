"""The tables of policy sets: versions of the policies, and what one beside those in force would change."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, Table, Text

from remit.storage.tables import metadata

policy_sets = Table(  # one version of the organisation's policies, whole
    "policy_sets",
    metadata,
    Column("version", Text, primary_key=True),  # its number, as the log names it
    Column("number", Integer, nullable=False),
    Column("digest", Text, nullable=False),  # over names and texts of its files
    Column("files", Integer, nullable=False),  # how many
    Column("body", Text, nullable=False),  # JSON: file to text
    Column("state", Text, nullable=False),  # draft, observe, enforced, retired
    Column("by", Text, nullable=False),  # who brought it in
    Column("created", BigInteger, nullable=False),
    Column("since", BigInteger, nullable=False),  # when it came into its state
)
policy_flips = Table(  # what a set beside those in force was asked, and would have answered otherwise
    "policy_flips",
    metadata,
    Column("version", Text, primary_key=True),
    Column("base", Text, primary_key=True),  # digest of what was in force
    Column("node", Text, primary_key=True),  # which node counted; "" where there is one
    Column("kind", Text, primary_key=True),  # policy/flips.py: Kind
    Column("policy", Text, primary_key=True),  # which policy makes the difference; "" for sums
    Column("times", BigInteger, nullable=False),
    Column("examples", Text, nullable=False),  # JSON: the newest decisions
)
