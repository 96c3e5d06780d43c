"""Usage, coverage, what is used together, withdrawals, questions and their answers, signals, emergencies."""

from __future__ import annotations

from alembic import op

from remit.storage.migrations.columns import column

revision = "0006"
down_revision = "0005"

_TABLES = {
    "usage_sources": "source* text, servers text, batch bigint, created bigint",
    "usage_events": "source* text, id* text, batch bigint, at bigint, kind text, agent text, purpose text, action "
    "text, run text, body text",
    "coverage_windows": "source* text, start* bigint, until bigint",
    "coverage_claims": "source* text, start* bigint, until bigint",
    "usage_stretches": "source* text, low* bigint, high bigint, first bigint, last bigint",
    "use_days": "agent* text, purpose* text, action* text, scope* text, day* int, source* text, uses bigint, "
    "denied bigint, errors bigint, first bigint, last bigint",
    "run_uses": "agent* text, purpose* text, run* text, action* text, day int",
    "together": "agent* text, purpose* text, action* text, group text",
    "combinations": "combination* text, body text",
    "doubts": "server* text, agent* text, since bigint, state text, body text",
    "withdrawals": "withdrawal* text, agent text, state text, due bigint, body text",
    "systems": "system* text, body text",
    "posture": "day* int, agent* text, body text",
    "questions": "question* text, kind text, agent text, about text, state text, due bigint, assigned text, "
    "canary bool, body text",
    "answers": "answer* text, question text, by text, at bigint, state text, due bigint, body text",
    "acknowledgements": "acknowledgement* text, by text, at bigint, digest text, body text",
    "openings": "opening* text, agent text, boundary text, by text, opened bigint, ends bigint, due bigint, body text",
    "signals": "agent* text, signal* text, about* text, since bigint, by text",
}
_INDEXES = {
    "usage_events_of": ("usage_events", ["agent", "action", "at"]),
    "withdrawals_due": ("withdrawals", ["due"]),
    "withdrawals_agent": ("withdrawals", ["agent"]),
    "questions_about": ("questions", ["kind", "about"]),
    "questions_due": ("questions", ["due"]),
    "questions_agent": ("questions", ["agent", "state"]),
    "questions_assigned": ("questions", ["assigned", "state"]),
    "answers_due": ("answers", ["due"]),
    "answers_question": ("answers", ["question"]),
    "answers_by": ("answers", ["by", "at"]),
    "openings_agent": ("openings", ["agent"]),
    "openings_by": ("openings", ["by"]),
    "openings_due": ("openings", ["due"]),
}


def upgrade() -> None:
    """Create the tables."""
    for table, columns in _TABLES.items():
        op.create_table(table, *[column(text) for text in columns.split(", ")])
    for index, (table, names) in _INDEXES.items():
        op.create_index(index, table, names)
    op.add_column("risks", column("calm bigint?"))
    op.add_column("boundaries", column("kind text?"))
