"""A database of its own for every test, on a real server."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeVar

import psycopg
import sqlalchemy as sa
from psycopg import sql
from pytest_postgresql.janitor import DatabaseJanitor
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from devtools.postgres import LocalPostgres

# What the package keeps for itself, and what Alembic does: no part of the user's database.
OWN_TABLES = (
    "*._zanith_migration*",
    "*._zanith_schema_snapshots*",
    "*.alembic_version",
)
ARCHIVE_SCHEMA = "_zanith_archive"

_numbers = itertools.count(1)

P = ParamSpec("P")
T = TypeVar("T")


class PsqlFailed(AssertionError):
    """psql or pg_dump ended with an error; the message is what it printed."""


@dataclass
class Database:
    """One database. `drop()` removes it, its clones and the roles made through it."""

    # What the option --driver chooses, for whatever does not name a driver itself.
    default_driver: ClassVar[str] = "psycopg"

    server: LocalPostgres
    name: str
    _clones: list[Database] = field(default_factory=list, repr=False)
    _roles: list[str] = field(default_factory=list, repr=False)

    @classmethod
    def create(cls, server: LocalPostgres, template: str | None = None) -> Database:
        """Create an empty database, or a copy of the one named `template`."""
        database = cls(server, f"zanith_test_{os.getpid()}_{next(_numbers)}")
        database._janitor(template).init()
        return database

    def url(self, driver: str | None = None) -> sa.URL:
        """Return the URL for psycopg, psycopg2 or asyncpg."""
        return self.server.url(self.name, driver or self.default_driver)

    def engine(self, driver: str | None = None, **options: Any) -> sa.Engine:
        """Return an engine that keeps no connection open between uses."""
        return sa.create_engine(self.url(driver), poolclass=sa.NullPool, **options)

    def async_engine(self, **options: Any) -> AsyncEngine:
        """Return an asyncpg engine that keeps no connection open between uses."""
        return create_async_engine(self.url("asyncpg"), poolclass=sa.NullPool, **options)

    @contextmanager
    def begin(self, driver: str | None = None, role: str | None = None) -> Iterator[sa.Connection]:
        """Give a SQLAlchemy connection in a transaction, as a role, committed at the end."""
        with self.engine(driver).begin() as connection:
            if role is not None:
                connection.execute(
                    sa.text("SELECT set_config('role', :role, true)"), {"role": role}
                )
            yield connection

    def do(
        self,
        function: Callable[Concatenate[sa.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Call a function that takes a connection, in a transaction that is committed.

        `database.do(soft_drop_column, "users", "note")`
        """
        with self.begin() as connection:
            return function(connection, *args, **kwargs)

    def execute(self, statements: str) -> None:
        """Run one or more statements as one transaction, on a connection of their own."""
        with self._connect() as connection:
            connection.execute(statements.encode())

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""
        with self._connect() as connection:
            return connection.execute(query.encode()).fetchall()

    def scalar(self, query: str) -> Any:
        """Return the first column of the only row."""
        ((value, *_),) = self.rows(query)
        return value

    def psql(self, script: str, *arguments: str) -> str:
        """Run a script with psql, stop at the first error, return what it printed.

        Raises PsqlFailed.
        """
        flags = ["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "-vON_ERROR_STOP=1"]
        return self._run("psql", [*flags, *arguments], script)

    def dump(self, *arguments: str, archive_schema: str = ARCHIVE_SCHEMA) -> str:
        """Return pg_dump's schema and data, without what the package and Alembic keep.

        Equal databases give equal text, so it can be compared byte for byte.
        """
        without = [f"--exclude-table={pattern}" for pattern in OWN_TABLES]
        without.append(f"--exclude-schema={archive_schema}")
        text = self._run("pg_dump", [*without, *arguments])
        return "".join(line for line in text.splitlines(True) if not self._is_of_the_tool(line))

    def dump_of_all(self) -> str:
        """Return a dump of everything, bookkeeping tables and archives included."""
        lines = self._run("pg_dump", []).splitlines(True)
        return "".join(line for line in lines if not self._is_of_the_tool(line))

    def _is_of_the_tool(self, line: str) -> bool:
        """Whether a line of a dump is of a pg_dump newer than the server, or of its psql."""
        unknown = self.server.major < 17 and line.startswith("SET transaction_timeout ")
        return unknown or _is_restrict(line)

    def fingerprint(self) -> str:
        """Return a text that differs once any object was made, changed or dropped.

        Cheaper than a dump, and it tells rows of the bookkeeping table only.
        """
        catalogs = ("class", "attribute", "constraint", "index", "type", "trigger", "namespace")
        parts = [f"SELECT tableoid::text, xmin::text, ctid::text FROM pg_{c}" for c in catalogs]
        if self.scalar("SELECT to_regclass('_zanith_migration_artifacts')") is not None:
            parts.append("SELECT '', '', t::text FROM _zanith_migration_artifacts AS t")
        union = " UNION ALL ".join(parts)
        return str(
            self.scalar(f"SELECT md5(string_agg(t::text, '' ORDER BY t)) FROM ({union}) AS t")
        )

    def clone(self) -> Database:
        """Return a twin with the same content, dropped together with this one.

        PostgreSQL copies only a database that nobody uses: open connections are ended.
        """
        twin = Database.create(self.server, template=self.name)
        self._clones.append(twin)
        return twin

    def role(self, label: str = "role", options: str = "") -> str:
        """Create a role and return its name, which is unique on the server."""
        name = f"{self.name}_{label}"
        with self._connect() as connection:
            statement = sql.SQL("CREATE ROLE {} {}")
            connection.execute(statement.format(sql.Identifier(name), sql.SQL(options)))
        self._roles.append(name)
        return name

    def kill_connections(self) -> None:
        """End every other connection to this database, as a crash or an administrator would."""
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    def drop(self) -> None:
        """Drop the database, its clones and its roles."""
        while self._clones:
            self._clones.pop().drop()
        self._janitor().drop()
        while self._roles:
            with self._connect("postgres") as connection:
                role = sql.Identifier(self._roles.pop())
                connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(role))

    def _janitor(self, template: str | None = None) -> DatabaseJanitor:
        url = self.server.base_url
        return DatabaseJanitor(
            user=url.username or "postgres",
            password=str(url.password) if url.password else None,
            host=self.server.host,
            port=self.server.port,
            dbname=self.name,
            template_dbname=template,
        )

    def _connect(self, dbname: str | None = None) -> psycopg.Connection[tuple[Any, ...]]:
        url = self.server.url(dbname or self.name)
        conninfo = url.set(drivername="postgresql").render_as_string(hide_password=False)
        return psycopg.connect(conninfo, autocommit=True)

    def _run(self, program: str, arguments: Sequence[str], script: str | None = None) -> str:
        done = subprocess.run(
            [self.server.bin(program), *arguments],
            env=self.server.environment(self.name),
            input=script,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        if done.returncode:
            raise PsqlFailed(f"{program} failed:\n{done.stderr.strip()}")
        return done.stdout


def _is_restrict(line: str) -> bool:
    return line.startswith(("\\restrict ", "\\unrestrict "))
