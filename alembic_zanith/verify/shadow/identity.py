"""Which database it is that a connection is to, whatever name it was reached by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from alembic_zanith.sql import one, reading, scalar

if TYPE_CHECKING:
    from sqlalchemy import Connection

# https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-CONTROLDATA
_MAY_ASK = "SELECT pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')"
_SYSTEM = "SELECT system_identifier::text FROM pg_catalog.pg_control_system()"
_DATABASE = """
SELECT d.oid::text, d.datname::text,
       extract(epoch FROM pg_catalog.pg_postmaster_start_time())::text
  FROM pg_catalog.pg_database AS d
 WHERE d.datname = pg_catalog.current_database()
"""


@dataclass(frozen=True)
class Identity:
    """A database of a server: `system` is the cluster's number, None where nobody may ask.

    Names and addresses say little: localhost, 127.0.0.1 and a socket lead to the same server, and
    so do two names in DNS, and a pooler.
    """

    system: str | None
    oid: str
    name: str
    started: str

    def is_same_as(self, other: Identity) -> bool:
        """Whether both are one database, or a physical copy of it that is not to be told apart."""
        return self.oid == other.oid and self.is_on_server_of(other)

    def is_on_server_of(self, other: Identity) -> bool:
        """Whether both are of one cluster, or of physical copies of it."""
        if self.system is not None and other.system is not None:
            return self.system == other.system
        return self.started == other.started

    @property
    def text(self) -> str:
        """What a marker remembers: none that comes with a dump, a template or a copy has it."""
        return f"{self.system or 'unknown'}/{self.oid}/{self.name}"


def identity_of(connection: Connection) -> Identity:
    """Ask a server which database this is."""
    system = scalar(connection, _SYSTEM) if scalar(connection, _MAY_ASK) else None
    oid, name, started = one(connection, _DATABASE)
    return Identity(None if system is None else str(system), str(oid), str(name), str(started))


@contextmanager
def asking(production: Connection) -> Iterator[None]:
    """Read production in the block, and leave its transaction as it was: none, if none was."""
    was_in_one = production.in_transaction()
    try:
        with reading(production):
            yield
    finally:
        if not was_in_one and production.in_transaction() and not production.invalidated:
            production.rollback()
