"""What keeps a shadow that is a schema apart from the rest of production's database.

Three things, of which each is enough for what is written without bad intent: statements that name
another schema, or act on what is in none, are refused before they are sent; names without a schema
are looked up in the shadow alone; and after each script PostgreSQL is asked which relations of
other schemas the session has locked in order to write, which rolls everything back.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING

from alembic_zanith.errors import ZanithError
from alembic_zanith.plan.model import PlannedRevision
from alembic_zanith.plan.scripts import source_of
from alembic_zanith.risk.changes.raw import RawSql
from alembic_zanith.risk.statements.parser import (
    Statement,
    UnreadableSqlError,
    descendants,
    parse,
    strings,
)
from alembic_zanith.sql import rows
from alembic_zanith.steps import Step

if TYPE_CHECKING:
    from alembic.script import Script
    from sqlalchemy import Connection


class NotApartError(ZanithError):
    """It cannot be kept in a schema of its own."""


# Statements that act on nothing but what they name, and that names without a schema keep inside.
_ALLOWED = {
    "alter_domain_stmt",
    "alter_enum_stmt",
    "alter_policy_stmt",
    "alter_seq_stmt",
    "alter_stats_stmt",
    "alter_table_stmt",
    "alter_type_stmt",
    "call_stmt",
    "close_portal_stmt",
    "cluster_stmt",
    "comment_stmt",
    "composite_type_stmt",
    "constraints_set_stmt",
    "create_domain_stmt",
    "create_enum_stmt",
    "create_function_stmt",
    "create_policy_stmt",
    "create_range_stmt",
    "create_seq_stmt",
    "create_stats_stmt",
    "create_stmt",
    "create_table_as_stmt",
    "create_trig_stmt",
    "declare_cursor_stmt",
    "define_stmt",
    "delete_stmt",
    "do_stmt",
    "drop_stmt",
    "execute_stmt",
    "explain_stmt",
    "fetch_stmt",
    "index_stmt",
    "insert_stmt",
    "lock_stmt",
    "merge_stmt",
    "prepare_stmt",
    "refresh_mat_view_stmt",
    "rename_stmt",
    "rule_stmt",
    "select_stmt",
    "transaction_stmt",
    "truncate_stmt",
    "update_stmt",
    "variable_set_stmt",
    "variable_show_stmt",
    "view_stmt",
}
# Of the kinds of things that DROP, COMMENT and RENAME know, those that are in no schema.
_OUTSIDE = re.compile(
    r"\s*(DROP|COMMENT\s+ON|ALTER)\s+(ACCESS|CAST|DATABASE|EVENT|EXTENSION|FOREIGN\s+DATA"
    r"|LANGUAGE|LARGE|OWNED|PUBLICATION|ROLE|SCHEMA|SERVER|SUBSCRIPTION|SYSTEM|TABLESPACE|TRANSFORM"
    r"|USER|GROUP|OPERATOR)\b",
    re.IGNORECASE,
)
# Settings that only concern how statements of this session run.
_SETTINGS = re.compile(
    r"(lock_timeout|statement_timeout|idle_in_transaction_session_timeout|client_min_messages"
    r"|check_function_bodies|standard_conforming_strings|client_encoding|row_security|xmloption"
    r"|maintenance_work_mem|work_mem|default_tablespace|default_table_access_method|timezone"
    r"|datestyle|intervalstyle|jit|synchronous_commit|constraint_exclusion|\w+\.\w+)",
    re.IGNORECASE,
)
# Functions of PostgreSQL's own that reach beyond the schema, or run what they are given as text.
_FUNCTIONS = re.compile(
    r"(set_config|lo_.*|lo(read|write|creat)|dblink.*|query_to_xml.*|table_to_xml.*|schema_to_xml.*"
    r"|database_to_xml.*|cursor_to_xml.*|ts_stat|crosstab.*"
    r"|pg_(terminate|cancel|reload|rotate|switch|create|drop|read|write|ls|stat_file|file|logical|replication|promote|wal|backup|start|stop|import"
    r"|log|notify|advisory_lock|try_advisory_lock|stat_reset|extension_config).*|currtid.*)",
    re.IGNORECASE,
)

_OTHER_SCHEMAS = """
SELECT nspname::text FROM pg_catalog.pg_namespace
 WHERE nspname NOT IN ('pg_catalog', 'information_schema', :schema)
   AND nspname !~ '^pg_(temp|toast)'
"""

# ROW SHARE and ACCESS SHARE are taken to read: a foreign key looks at its parent with the former.
_LOCKED = """
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), l.mode
  FROM pg_catalog.pg_locks l
  JOIN pg_catalog.pg_class c ON c.oid = l.relation
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation'
   AND l.mode <> ALL (ARRAY['AccessShareLock', 'RowShareLock'])
   AND n.nspname <> ALL (ARRAY['pg_catalog', 'information_schema', CAST(:schema AS text)])
   AND n.nspname !~ '^pg_(temp|toast)'
"""


class SchemaGuard:
    """Keeps what scripts do in a schema; a listener of `Steps`."""

    def __init__(self, schema: str, others: Iterable[str]) -> None:
        self._schema = schema
        self._named = _naming(others)

    @classmethod
    def of(cls, connection: Connection, schema: str) -> SchemaGuard:
        """Return a guard for a schema, which knows the other ones of the database."""
        return cls(schema, [name for (name,) in rows(connection, _OTHER_SCHEMAS, schema=schema)])

    def check(self, statement: str) -> None:
        """Let a statement pass, or raise `NotApartError` before it is sent."""
        found = self._named.search(statement)
        if found is not None:
            raise _not_apart(f"names the schema {found['name']}", statement)
        try:
            statements = parse(statement)
        except UnreadableSqlError as error:
            raise _not_apart(f"cannot be read ({error})", statement) from error
        for each in statements:
            for reason in _reasons(each):
                raise _not_apart(reason, statement)

    def began(self, step: Step) -> None:
        """Hear that a step has begun."""

    def sending(self, step: Step, statement: str) -> None:
        """Check a statement, unless it is one that this package sends on its way."""
        if not step.is_own:
            self.check(statement)

    def ended(self, step: Step) -> None:
        """Hear that a step is over."""

    def after(self, connection: Connection) -> None:
        """Raise `NotApartError` if something outside of the schema is locked for writing."""
        for relation, mode in rows(connection, _LOCKED, schema=self._schema):
            raise NotApartError(
                f"A script has locked {relation} ({mode}), which is not in the shadow's schema. "
                "All that it did is rolled back. Use --topology database or --shadow-url URL."
            )


def _naming(others: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern that finds the name of a schema with a dot behind it, quoted or not."""
    names = "|".join(sorted(map(re.escape, {"public", *others}), key=len, reverse=True))
    return re.compile(rf'(?<![\w$])"?(?P<name>{names})"?\s*\.', re.IGNORECASE)


def _not_apart(reason: str, statement: str) -> NotApartError:
    shown = " ".join(statement.split())
    shown = shown if len(shown) <= 120 else f"{shown[:117]}..."
    return NotApartError(
        f"A rehearsal in a schema of production's database cannot run this: it {reason}. {shown} — "
        "Use --topology database or --shadow-url URL."
    )


def _reasons(statement: Statement) -> Iterator[str]:
    """Yield why a statement may reach beyond the schema."""
    if statement.name not in _ALLOWED or _OUTSIDE.match(statement.text):
        yield "acts on what is in no schema, or may do so"
    if statement.name == "variable_set_stmt" and not _SETTINGS.fullmatch(statement.node.name):
        yield f"sets {statement.node.name or 'settings'}"
    for name, node in descendants(statement.node):
        if name == "func_call":
            function = strings(node.funcname)
            if _FUNCTIONS.fullmatch(function[-1]):
                yield f"calls {function[-1]}()"


def reason_against_schema(
    plan: Collection[PlannedRevision], scripts: Iterable[Script], version_table_schema: str | None
) -> str | None:
    """Return why scripts cannot be rehearsed in a schema, None where nothing speaks against it.

    Asked before anything is made; what only shows when it runs is refused then (`SchemaGuard`).
    """
    if version_table_schema is not None:
        return f"env.py keeps the version table in the schema {version_table_schema}"
    for script in scripts:
        found = _NAMES_A_SCHEMA.search(source_of(script))
        if found is not None:
            return f"revision {script.revision} names a schema: {found[0].strip()}"
    for revision in plan:
        for operation in revision.operations:
            for finding in operation.assessment.findings:
                change, on = finding.change, finding.change.on
                if isinstance(change, RawSql):
                    return (
                        f"revision {revision.revision}, line {operation.line}: nobody can tell "
                        f"what {change.text} does, because {change.why}"
                    )
                if on is not None and on.schema is not None:
                    return f"revision {revision.revision}, line {operation.line} names {on}"
    return None


_NAMES_A_SCHEMA = re.compile(
    r"^[^#\n]*\b(?:source_schema|referent_schema|schema)\s*=\s*(?!None\b)\S[^,)\n]*"
    r"|^[^#\n]*\b(?:CREATE|DROP|ALTER)\s+SCHEMA\b[^\n]*"
    r"|^[^#\n]*\bsearch_path\b[^\n]*",
    re.IGNORECASE | re.MULTILINE,
)
