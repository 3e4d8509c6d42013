"""SQL as a driver gets it, read as PostgreSQL's grammar knows it."""

from __future__ import annotations

import re
from functools import lru_cache

from sqlalchemy.engine import Dialect

from alembic_zanith.risk.change import Change
from alembic_zanith.risk.changes.raw import RawSql
from alembic_zanith.risk.statements import changes_in

_PLACEHOLDER = re.compile(r"%\(\w+\)s|%s|%%")


@lru_cache(maxsize=4096)
def _changes_in(sql: str) -> tuple[Change, ...]:
    return changes_in(sql)


def changes_of_statement(statement: str, dialect: Dialect) -> tuple[Change, ...]:
    """Return what a statement changes, whose placeholders are those of a driver.

    >>> from sqlalchemy.dialects import postgresql
    >>> changes_of_statement("DELETE FROM t WHERE id = %(id)s", postgresql.psycopg.dialect())
    (DeleteRows(table=TableRef(name='t', schema=None), some=True),)
    """
    if dialect.paramstyle in ("pyformat", "format") and "%" in statement:
        found = _changes_in(_PLACEHOLDER.sub(_plain, statement))
        if not any(isinstance(change, RawSql) for change in found):
            return found
    return _changes_in(statement)


def _plain(placeholder: re.Match[str]) -> str:
    return "%" if placeholder[0] == "%%" else "$1"
