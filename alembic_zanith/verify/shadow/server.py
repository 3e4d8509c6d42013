"""What a script does beyond the database of its shadow: to the server, or to another database.

A database of its own is no place of its own for what a whole server has: roles, settings of the
server, other databases, files. Where the shadow is on production's server, that is production's.
And wherever it is, what connects to elsewhere may connect to production.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from alembic_zanith.errors import ZanithError
from alembic_zanith.redaction import one_line
from alembic_zanith.risk.statements.parser import Node, enum_name, strings
from alembic_zanith.sql import rows, scalar
from alembic_zanith.steps import Step

from .reach import Walk

if TYPE_CHECKING:
    from sqlalchemy import Connection

# Named as the grammar does:
# https://github.com/pganalyze/libpg_query/blob/18-latest/protobuf/pg_query.proto
_OF_SERVER = {
    "alter_database_refresh_coll_stmt": "changes a database",
    "alter_database_set_stmt": "changes a database",
    "alter_database_stmt": "changes a database",
    "alter_role_set_stmt": "changes a role",
    "alter_role_stmt": "changes a role",
    "alter_system_stmt": "changes the settings of the server",
    "alter_table_space_options_stmt": "changes a tablespace",
    "create_role_stmt": "makes a role",
    "create_table_space_stmt": "makes a tablespace",
    "createdb_stmt": "makes a database",
    "drop_owned_stmt": "takes the rights of a role, on the databases of the server too",
    "drop_role_stmt": "drops a role",
    "drop_table_space_stmt": "drops a tablespace",
    "dropdb_stmt": "drops a database",
    "grant_role_stmt": "changes the members of a role",
    "reassign_owned_stmt": "changes what a role owns, the databases of the server too",
}
_TO_ELSEWHERE = {
    "alter_subscription_stmt": "changes a subscription, which connects to another server",
    "alter_user_mapping_stmt": "says how to connect to another server",
    "create_subscription_stmt": "makes a subscription, which connects to another server",
    "create_user_mapping_stmt": "says how to connect to another server",
    "drop_subscription_stmt": "drops a subscription, and its slot on another server",
    "import_foreign_schema_stmt": "connects to another server",
}
_OBJECTS = {
    "OBJECT_DATABASE": "a database",
    "OBJECT_PARAMETER_ACL": "a setting of the server",
    "OBJECT_ROLE": "a role",
    "OBJECT_TABLESPACE": "a tablespace",
}
_OBJECT_FIELDS = {
    "AlterOwnerStmt": "object_type",
    "CommentStmt": "objtype",
    "GrantStmt": "objtype",
    "RenameStmt": "rename_type",
    "SecLabelStmt": "objtype",
}
_FUNCTIONS_OF_SERVER = re.compile(
    r"lo_export|pg_(cancel|terminate)_backend|pg_(copy|create|drop)_.*(slot|restore_point)"
    r"|pg_file_.*|pg_log_(backend.*|standby_snapshot)|pg_promote|pg_reload_conf"
    r"|pg_replication_origin_(create|drop)|pg_rotate_logfile.*|pg_switch_wal|schedule_in_database"
)
_FUNCTIONS_TO_ELSEWHERE = re.compile(r"dblink.*")

# What no text shows, as SQL that is computed. CREATE ROLE and the like keep these locks until the
# transaction ends: https://www.postgresql.org/docs/current/view-pg-locks.html
_CHANGED = """
SELECT c.relname::text
  FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
 WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation' AND l.database = 0
   AND l.mode = 'RowExclusiveLock' AND c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace
   AND c.relname IN ('pg_auth_members', 'pg_authid', 'pg_db_role_setting', 'pg_shdescription',
                     'pg_shseclabel', 'pg_subscription', 'pg_tablespace')
 ORDER BY 1
"""

# GRANT keeps none. But a row that is seen, of a transaction that is going on, is of this one: its
# number is made as long as those of `pg_xact_status`.
# https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT
_WRITTEN = """
SELECT t.name
  FROM (SELECT 'pg_database', xmin FROM pg_catalog.pg_database
         WHERE datname <> pg_catalog.current_database()
         UNION ALL SELECT 'pg_tablespace', xmin FROM pg_catalog.pg_tablespace {more}
       ) AS t(name, xmin)
 CROSS JOIN (SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::bigint)
    AS x(next)
 WHERE pg_catalog.pg_xact_status(
         (x.next - ((x.next - t.xmin::text::bigint) & 4294967295))::text::pg_catalog.xid8
       ) = 'in progress'
 LIMIT 1
"""
_SINCE_15 = "UNION ALL SELECT 'pg_parameter_acl', xmin FROM pg_catalog.pg_parameter_acl"

# What else than the shadow's own is in those that have something of each database.
_OF_OTHERS = {
    "pg_db_role_setting": """
SELECT s.setdatabase::text, s.setrole::text, s.xmin::text FROM pg_catalog.pg_db_role_setting AS s
 WHERE s.setdatabase <> (SELECT oid FROM pg_catalog.pg_database
                          WHERE datname = pg_catalog.current_database())
""",
    "pg_shdescription": """
SELECT d.classoid::text, d.objoid::text, d.xmin::text FROM pg_catalog.pg_shdescription AS d
 WHERE (d.classoid, d.objoid) <> ('pg_catalog.pg_database'::pg_catalog.regclass,
                                  (SELECT oid FROM pg_catalog.pg_database
                                    WHERE datname = pg_catalog.current_database()))
""",
}


class _Beyond(Walk):
    """Reads what statements do beyond their database."""

    def __init__(self, *, is_productions_server: bool) -> None:
        self._statements = dict(_TO_ELSEWHERE)
        self._functions = [_FUNCTIONS_TO_ELSEWHERE]
        self._is_productions_server = is_productions_server
        if is_productions_server:
            self._statements |= _OF_SERVER
            self._functions.append(_FUNCTIONS_OF_SERVER)

    def statement(self, name: str) -> Iterator[str]:
        """Yield what a kind of statement does."""
        if name in self._statements:
            yield self._statements[name]

    def message(self, kind: str, message: Node, place: str) -> Iterator[str]:
        """Yield what a node does."""
        if kind == "FuncCall":
            name = strings(message.funcname)[-1]
            if any(each.fullmatch(name) for each in self._functions):
                yield f"calls {name}(), which works beyond this database"
        elif self._is_productions_server:
            if kind == "CopyStmt" and (message.is_program or not message.is_from):
                if message.filename:
                    yield "writes a file of the server, or runs a program there"
            elif kind in _OBJECT_FIELDS:
                what = enum_name(message, _OBJECT_FIELDS[kind])
                if what in _OBJECTS:
                    yield f"acts on {_OBJECTS[what]}"


class ServerGuard:
    """Keeps what scripts do in the database of a shadow; a listener of `Steps`."""

    def __init__(self, *, is_productions_server: bool) -> None:
        self._beyond = _Beyond(is_productions_server=is_productions_server)
        self._is_productions_server = is_productions_server
        self._of_others: dict[str, frozenset[Any]] = {}

    def reasons(self, sql: str) -> Iterator[str]:
        """Yield what SQL does beyond the shadow, each as a verb and what follows it."""
        yield from self._beyond.reasons(sql)

    def before(self, connection: Connection) -> None:
        """Note what the server has before a script runs."""
        if self._is_productions_server:
            self._of_others = {each: _of_others(connection, each) for each in _OF_OTHERS}

    def began(self, step: Step) -> None:
        """Hear that a step has begun."""

    def sending(self, step: Step, statement: str) -> None:
        """Raise `ZanithError` in front of a statement that does something beyond the shadow."""
        if step.is_plain:
            for reason in self._beyond.reasons(statement):
                raise self._refused(f"this: it {reason}. {one_line(statement)}")

    def ended(self, step: Step) -> None:
        """Hear that a step is over."""

    def after(self, connection: Connection) -> None:
        """Raise `ZanithError` if something of the server was changed, which is then rolled back."""
        if not self._is_productions_server:
            return
        changed = [table for (table,) in rows(connection, _CHANGED)]
        for table in [*changed, *_written(connection)]:
            if table in _OF_OTHERS and self._of_others[table] == _of_others(connection, table):
                continue  # it is the shadow's own
            raise self._refused(
                f"what this script does: it has changed {table}, which the whole server has. "
                "It was rolled back"
            )

    def _refused(self, what: str) -> ZanithError:
        if not self._is_productions_server:
            return ZanithError(
                f"A rehearsal cannot run {what} — That could be production. What production has "
                "of it already need not run: --schema-from-production."
            )
        return ZanithError(
            f"A rehearsal on production's server cannot run {what} — Production would have it too. "
            "Use --shadow-url with a database of another server; where production has it already, "
            "--schema-from-production is enough."
        )


def _of_others(connection: Connection, table: str) -> frozenset[Any]:
    return frozenset(map(tuple, rows(connection, _OF_OTHERS[table])))


def _written(connection: Connection) -> list[str]:
    version = int(scalar(connection, "SELECT pg_catalog.current_setting('server_version_num')"))
    more = _SINCE_15 if version >= 150000 else ""
    return [str(table) for (table,) in rows(connection, _WRITTEN.format(more=more))]
