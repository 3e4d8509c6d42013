"""SQL as a driver gets it, read as PostgreSQL's grammar knows it."""

from __future__ import annotations

import re

from sqlalchemy.engine import Dialect

from alembic_zanith.risk.change import Change
from alembic_zanith.risk.changes.raw import RawSql
from alembic_zanith.risk.statements import changes_in

_PLACEHOLDER = re.compile(r"%\(\w+\)s|%s|%%")


# What operations send most of the time. Where nothing else is in it, no data goes.
_ADDS = re.compile(
    r"\s*(CREATE\s+(TABLE|(UNIQUE\s+)?INDEX|TYPE)\s|COMMENT\s+ON\s"
    r"|ALTER\s+TABLE\s+\S+\s+(ADD\s|ALTER\s+COLUMN\s+\S+\s+(TYPE|SET\s+(NOT\s+NULL|DEFAULT))\b))",
    re.IGNORECASE,
)
_MORE = re.compile(
    r";|\b(drop|(?<!\bon )(delete|update)|truncate|merge|with(?! time zone)|do|call|execute|using"
    r"|select)\b",
    re.IGNORECASE,
)


def adds_only(statement: str) -> bool:
    """Whether a statement surely does no more than to add something: quicker than to parse it.

    >>> adds_only("CREATE INDEX i ON t (a)"), adds_only("ALTER TABLE t ADD a int, DROP b")
    (True, False)
    """
    return _ADDS.match(statement) is not None and _MORE.search(statement) is None


def changes_of_statement(statement: str, dialect: Dialect) -> tuple[Change, ...]:
    """Return what a statement changes, whose placeholders are those of a driver.

    >>> from sqlalchemy.dialects import postgresql
    >>> changes_of_statement("DELETE FROM t WHERE id = %(id)s", postgresql.psycopg.dialect())
    (DeleteRows(table=TableRef(name='t', schema=None), some=True),)
    """
    if dialect.paramstyle in ("pyformat", "format") and "%" in statement:
        found = changes_in(_PLACEHOLDER.sub(_plain, statement))
        if not any(isinstance(change, RawSql) for change in found):
            return found
    return changes_in(statement)


def _plain(placeholder: re.Match[str]) -> str:
    return "%" if placeholder[0] == "%%" else "$1"
