"""Reading SQL must take no time beside running it: at least 10,000 statements a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from alembic_zanith.risk.assess import assess_sql
from alembic_zanith.risk.plan_facts import PlanFacts
from alembic_zanith.risk.statements.parser import parse

from .figures import Figure

_TABLES = 300
_LIMIT_US = 100.0
"""What 10,000 statements a second leave for each."""

# What the scripts of one new table write, in the style of a project that has grown for years.
_SCRIPT = (
    "CREATE TABLE {t} (id SERIAL NOT NULL, email VARCHAR(255) NOT NULL, owner_id INTEGER, "
    "created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, PRIMARY KEY (id), "
    "FOREIGN KEY(owner_id) REFERENCES users (id) ON DELETE CASCADE)",
    "CREATE INDEX ix_{t}_email ON {t} (email)",
    "CREATE UNIQUE INDEX CONCURRENTLY uq_{t} ON {t} (lower(email)) WHERE deleted_at IS NULL",
    "ALTER TABLE old_{t} ADD COLUMN phone VARCHAR(20)",
    "ALTER TABLE old_{t} ADD COLUMN active BOOLEAN DEFAULT true NOT NULL",
    "ALTER TABLE old_{t} ADD CONSTRAINT fk_{t} FOREIGN KEY(user_id) REFERENCES users (id)",
    "ALTER TABLE old_{t} ALTER COLUMN name SET NOT NULL",
    "ALTER TABLE old_{t} ALTER COLUMN name TYPE VARCHAR(100)",
    "ALTER TABLE old_{t} RENAME COLUMN name TO display_name",
    "ALTER TABLE old_{t} DROP COLUMN legacy",
    "DROP INDEX ix_old_{t}",
    "COMMENT ON COLUMN {t}.email IS 'where we write'",
    "ALTER TYPE status ADD VALUE IF NOT EXISTS '{t}'",
    "UPDATE old_{t} SET phone = '' WHERE phone IS NULL",
    "INSERT INTO roles (name, description) VALUES ('{t}', 'all'), ('b', 'some'), ('c', 'none')",
    "INSERT INTO {t} (email) SELECT o.email FROM old_{t} o JOIN users u ON u.id = o.user_id "
    "WHERE NOT EXISTS (SELECT 1 FROM {t} n WHERE n.email = o.email)",
    "DELETE FROM sessions WHERE name = '{t}' AND expires_at < now() - interval '30 days'",
)

Work = Callable[[Sequence[str]], object]


def measure(rounds: int) -> Iterator[Figure]:
    """Yield the time for one statement, read and judged in a plan, beside that of the parser."""
    # No text comes twice, so that nothing can be remembered.
    statements = [each.format(t=f"t_{n}") for n in range(_TABLES) for each in _SCRIPT]
    ours, bare = _best(_judge, statements, rounds), _best(_parse, statements, rounds)
    what = "SQL read and judged: one statement"
    yield Figure(what, _per_second(ours), f"parsed: {_per_second(bare)}", ours, _LIMIT_US, "µs")


def _judge(statements: Sequence[str]) -> None:
    facts = PlanFacts()
    for each in statements:
        facts.refine(assess_sql("execute", each), "1a2b").level  # noqa: B018 -- it is worked out


def _parse(statements: Sequence[str]) -> None:
    for each in statements:
        parse(each)


def _best(work: Work, statements: Sequence[str], rounds: int) -> float:
    """Return the least time for one statement, in microseconds, after one round to warm up."""
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        work(statements)
        times.append(time.perf_counter() - start)
    return min(times[1:]) / len(statements) * 1e6


def _per_second(microseconds: float) -> str:
    return f"{1e6 / microseconds:,.0f}/s"
