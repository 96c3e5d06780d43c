"""The tables of certification and reviews; as in `schema`, a room's `sql` files read and write only its own."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Text

from remit.storage.tables import metadata

# certification ---------------------------------------------------------------------------
usage_sources = Table(  # who tells of use besides Remit's own enforcement
    "usage_sources",
    metadata,
    Column("source", Text, primary_key=True),
    Column("servers", Text, nullable=False),  # JSON: the servers whose use it tells of
    Column("batch", BigInteger, nullable=False),  # the newest import; what a verdict had read of it
    Column("created", BigInteger, nullable=False),
)
usage_events = Table(  # imported, append-only; an event is its source and number
    "usage_events",
    metadata,
    Column("source", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("batch", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("purpose", Text, nullable=False),  # "" where nobody said
    Column("action", Text, nullable=False),
    Column("run", Text, nullable=False),
    Column("body", Text, nullable=False),  # JSON: what else the source said
)
Index("usage_events_of", usage_events.c.agent, usage_events.c.action, usage_events.c.at)
coverage_windows = Table(  # when a source told everything; disjoint
    "coverage_windows",
    metadata,
    Column("source", Text, primary_key=True),
    Column("start", BigInteger, primary_key=True),
    Column("until", BigInteger, nullable=False),
)
coverage_claims = Table(  # when a source says that it told everything; disjoint
    "coverage_claims",
    metadata,
    Column("source", Text, primary_key=True),
    Column("start", BigInteger, primary_key=True),
    Column("until", BigInteger, nullable=False),
)
usage_stretches = Table(  # numbers of a source that came without a gap
    "usage_stretches",
    metadata,
    Column("source", Text, primary_key=True),
    Column("low", BigInteger, primary_key=True, autoincrement=False),
    Column("high", BigInteger, nullable=False),
    Column("first", BigInteger, nullable=False),  # when what has the lowest number happened
    Column("last", BigInteger, nullable=False),  # and the highest
)
usage_habits = Table(  # how sources speak, and whether somebody was told that one has stopped
    "usage_habits",
    metadata,
    Column("source", Text, primary_key=True),
    Column("waits", Text, nullable=False),  # JSON: [UTC day, the longest wait that ended on it], by day
    Column("silent", BigInteger, nullable=False),  # when its silence was told; 0: it is heard
)
use_days = Table(  # use, a row for each UTC day and source: what features are made from
    "use_days",
    metadata,
    Column("agent", Text, primary_key=True),
    Column("purpose", Text, primary_key=True),
    Column("action", Text, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False),  # days since 1970
    Column("source", Text, primary_key=True),
    Column("uses", BigInteger, nullable=False),
    Column("denied", BigInteger, nullable=False),
    Column("errors", BigInteger, nullable=False),
    Column("first", BigInteger, nullable=False),  # of the uses; of all, where there is none
    Column("last", BigInteger, nullable=False),
)
run_uses = Table(  # which actions a run used: what is used together lapses together
    "run_uses",
    metadata,
    Column("agent", Text, primary_key=True),
    Column("purpose", Text, primary_key=True),
    Column("run", Text, primary_key=True),
    Column("action", Text, primary_key=True),
    Column("day", Integer, nullable=False),
)
together = Table(  # actions that are used together, as last found
    "together",
    metadata,
    Column("agent", Text, primary_key=True),
    Column("purpose", Text, primary_key=True),
    Column("action", Text, primary_key=True),
    Column("group", Text, nullable=False),  # its first action
)
combinations = Table(  # what nobody should hold together
    "combinations",
    metadata,
    Column("combination", Text, primary_key=True),
    Column("body", Text, nullable=False),
)
doubts = Table(  # servers whose record of use is not believed until a person says so
    "doubts",
    metadata,
    Column("server", Text, primary_key=True),
    Column("agent", Text, primary_key=True),  # "" for all
    Column("since", BigInteger, nullable=False),  # from here on their idle clocks stand still
    Column("state", Text, nullable=False),
    Column("body", Text, nullable=False),
)
withdrawals = Table(  # what is being taken away, step by step
    "withdrawals",
    metadata,
    Column("withdrawal", Text, primary_key=True),
    Column("agent", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("due", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
)
Index("withdrawals_due", withdrawals.c.due)
Index("withdrawals_agent", withdrawals.c.agent)
systems = Table(  # connectors: other systems that are told of withdrawals
    "systems",
    metadata,
    Column("system", Text, primary_key=True),
    Column("body", Text, nullable=False),
)
posture = Table(  # figures of each UTC day, for each agent and ("") for all
    "posture",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("agent", Text, primary_key=True),
    Column("body", Text, nullable=False),
)

# reviews ---------------------------------------------------------------------------------
questions = Table(  # what only a person can decide
    "questions",
    metadata,
    Column("question", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("about", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("due", BigInteger, nullable=False),  # when something happens by itself
    Column("assigned", Text, nullable=False),  # whose queue it is in; "" for security and operators
    Column("canary", Boolean, nullable=False),  # made up
    Column("body", Text, nullable=False),
)
Index("questions_about", questions.c.kind, questions.c.about)
Index("questions_agent", questions.c.agent, questions.c.state)
Index("questions_assigned", questions.c.assigned, questions.c.state)
Index("questions_due", questions.c.due)
answers = Table(
    "answers",
    metadata,
    Column("answer", Text, primary_key=True),
    Column("question", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("due", BigInteger, nullable=False),  # when what was said is done
    Column("body", Text, nullable=False),
)
Index("answers_due", answers.c.due)
Index("answers_question", answers.c.question)
Index("answers_by", answers.c.by, answers.c.at)
acknowledgements = Table(  # a named manager has seen a set of boundaries
    "acknowledgements",
    metadata,
    Column("acknowledgement", Text, primary_key=True),
    Column("by", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("digest", Text, nullable=False),
    Column("body", Text, nullable=False),
)
openings = Table(  # break-glass: a boundary for emergencies, opened for a time
    "openings",
    metadata,
    Column("opening", Text, primary_key=True),
    Column("agent", Text, nullable=False),
    Column("boundary", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("opened", BigInteger, nullable=False),
    Column("ends", BigInteger, nullable=False),
    Column("due", BigInteger, nullable=False),  # when something happens by itself: its review is asked for, is overdue
    Column("body", Text, nullable=False),
)
Index("openings_agent", openings.c.agent)
Index("openings_by", openings.c.by)
Index("openings_due", openings.c.due)
