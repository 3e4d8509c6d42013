"""Which two columns are kept the same, and what each is made of."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from alembic_zanith.identifiers import fit, quote
from alembic_zanith.risk.change import TableRef
from alembic_zanith.risk.pasting import sql_name

SYNC_PREFIX = "_zanith_sync_"


@dataclass(frozen=True)
class Pair:
    """An old and a new column of one table, as a script names them.

    `forward` is the SQL of the new one from the old one, `backward` that of the old one from the
    new one. Without a schema the search path finds the table.
    """

    table: str
    old: str
    new: str
    forward: str
    backward: str
    schema: str | None = None

    @property
    def relation(self) -> str:
        """The table as SQL.

        >>> Pair("users", "full_name", "name", "full_name", "name", "app").relation
        '"app"."users"'
        """
        parts = [self.table] if self.schema is None else [self.schema, self.table]
        return ".".join(quote(part) for part in parts)

    @property
    def shown(self) -> str:
        """The table as a person types it."""
        return str(TableRef(self.table, self.schema))

    @property
    def is_plain(self) -> bool:
        """Whether the values are the same in both, so that no expression is worked out."""
        return is_column(self.forward, self.old) and is_column(self.backward, self.new)


def is_column(expression: str, column: str) -> bool:
    """Tell whether an expression is nothing but a column.

    >>> is_column("full_name", "full_name"), is_column('"full_name"', "full_name")
    (True, True)
    >>> is_column("lower(full_name)", "full_name"), is_column("user", "user")
    (False, False)
    """
    return expression.strip() in (quote(column), sql_name(column))


def trigger_name(event: str, old: str, new: str) -> str:
    """Return the name of the trigger of one event, which is the same wherever these two are.

    >>> trigger_name("insert", "full_name", "name")
    '_zanith_sync_insert_full_name_name_3b593a30'
    """
    return fit(f"{SYNC_PREFIX}{event}_", f"{old}_{new}", f"_{_digest(old, new)}")


def function_name(table: str, old: str, new: str, number: int = 1) -> str:
    """Return a name for the function; `number` is for where others have the ones before.

    >>> function_name("users", "full_name", "name")
    '_zanith_sync_users_full_name_name_ddf94f8e'
    """
    tail = f"_{_digest(table, old, new)}" + ("" if number == 1 else f"_{number}")
    return fit(SYNC_PREFIX, f"{table}_{old}_{new}", tail)


def _digest(*names: str) -> str:
    # NUL is in no name, so that no two lists of names make the same text.
    return hashlib.sha256("\0".join(names).encode()).hexdigest()[:8]
