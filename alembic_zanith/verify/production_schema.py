"""Production's schema on the shadow, in place of a replay of its whole history."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from alembic_zanith.errors import ZanithError
from alembic_zanith.identifiers import QualifiedName, literal, quote
from alembic_zanith.redaction import one_line, without_passwords
from alembic_zanith.risk.statements.parser import Statement, parse
from alembic_zanith.sql import run, scalar

from .shadow.connecting import production_url
from .shadow.reach import body_of, language_of

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection

# Owners and roles are those of production's server, and nobody reads from or writes to a shadow.
_OPTIONS = (
    "--schema-only",
    "--no-owner",
    "--no-privileges",
    "--no-publications",
    "--no-subscriptions",
    "--no-security-labels",
    "--no-tablespaces",
    "--lock-wait-timeout=10s",
    "--no-password",
)
Beyond = Callable[[str], Iterable[str]]

_LONGEST_SECONDS = 600
# Each takes locks, and a server has room for so many of one transaction:
# https://www.postgresql.org/docs/current/runtime-config-locks.html
_AT_ONCE = 500

# What psql reads, and what a pg_dump newer than the server sets.
_META = re.compile(r"^\\(?:un)?restrict .*$", re.MULTILINE)
_SETTING = re.compile(r"SET\s+(?:SESSION\s+)?(\w+)\s*(?:=|TO)", re.IGNORECASE)
_THERE = re.compile(r"CREATE SCHEMA (public|\"public\")\Z|COMMENT ON (SCHEMA public|EXTENSION) ")


def dump_schema(production: Connection, program: str) -> str:
    """Return production's schema as pg_dump writes it.

    The password goes by the environment, never by the command line:
    https://www.postgresql.org/docs/current/libpq-envars.html

    Raises `ZanithError` where there is no pg_dump, or it fails.
    """
    found = shutil.which(program)
    if found is None:
        raise ZanithError(
            f"There is no program {program!r} on PATH. Install PostgreSQL's client programs, or "
            "say where pg_dump is with the setting pg_dump."
        )
    url = production_url(production)
    try:
        done = subprocess.run(
            [found, *_OPTIONS],
            env={**os.environ, **_environment(url)},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=_LONGEST_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ZanithError(f"pg_dump did not come to its end: {error}.") from error
    if done.returncode:
        reason = " ".join(without_passwords(done.stderr).split())
        if url.password:
            reason = reason.replace(str(url.password), "***")
        raise ZanithError(f"pg_dump cannot dump production's schema: {reason}{_advice(reason)}")
    return done.stdout


def _advice(reason: str) -> str:
    if "server version mismatch" in reason:
        return " Set pg_dump to one that is at least as new as the server."
    return ""


def _environment(url: URL) -> dict[str, str]:
    parts: dict[str, object] = {
        "PGHOST": url.host or url.query.get("host"),
        "PGPORT": url.port or url.query.get("port"),
        "PGUSER": url.username,
        "PGDATABASE": url.database,
        "PGPASSWORD": url.password,
        "PGSSLMODE": url.query.get("sslmode") or url.query.get("ssl"),
        "PGSSLROOTCERT": url.query.get("sslrootcert"),
        "PGSSLCERT": url.query.get("sslcert"),
        "PGSSLKEY": url.query.get("sslkey"),
        "PGOPTIONS": url.query.get("options"),
        "PGSERVICE": url.query.get("service"),
        "PGCLIENTENCODING": "UTF8",
    }
    return {name: str(value) for name, value in parts.items() if value is not None}


def load_schema(
    shadow: Connection,
    dump: str,
    *,
    version_table: str,
    version_table_schema: str | None,
    heads: Sequence[str],
    beyond: Beyond,
) -> None:
    """Make the schema of a dump on the shadow, and have it stand at production's revisions.

    `beyond` says what SQL does beyond the shadow: triggers run what no script has called.

    Raises `DBAPIError` where a statement fails, as for an extension that the server has not got.
    """
    path = scalar(shadow, "SELECT pg_catalog.current_setting('search_path')")
    for number, statement in enumerate(_statements(dump, shadow, beyond), 1):
        run(shadow, statement)
        if number % _AT_ONCE == 0:
            shadow.commit()
    run(shadow, f"SELECT pg_catalog.set_config('search_path', {literal(str(path))}, false)")
    schema = version_table_schema or "public"
    table = QualifiedName(schema, version_table)
    if heads and scalar(
        shadow, f"SELECT pg_catalog.to_regclass({literal(str(table))}) IS NOT NULL"
    ):
        values = ", ".join(f"({literal(head)})" for head in heads)
        run(shadow, f"INSERT INTO {table} ({quote('version_num')}) VALUES {values}")
    shadow.commit()


def _statements(dump: str, shadow: Connection, beyond: Beyond) -> Iterable[str]:
    for each in parse(_META.sub("", dump)):
        setting = _SETTING.match(each.text.strip())
        if setting is not None and not _is_known(shadow, setting[1]):
            continue
        if each.name == "create_user_mapping_stmt":
            continue  # without one a foreign table leads nowhere
        if not _THERE.match(_code(each.text)):
            yield _staying(each, beyond) if each.name == "create_function_stmt" else each.text


def _staying(function: Statement, beyond: Beyond) -> str:
    """Return a function without its body, if that would do something beyond the shadow."""
    reason = next(iter(beyond(function.text)), None)
    if reason is None:
        return function.text
    body = body_of(function)
    if not body or f"${body}$" not in function.text:
        raise ZanithError(
            f"Production has a function that {reason}, and is not to do so on a shadow: "
            f"{one_line(function.text)}. Start from the first revision."
        )
    why = f"A rehearsal does not run this function: it {reason}"
    # In SQL nothing raises an error of one's own, but a cast tells what it cannot cast.
    no_body = (
        f"BEGIN RAISE EXCEPTION USING MESSAGE = {literal(why)}; END"
        if language_of(function) == "plpgsql"
        else f"SELECT CAST({literal(why)} AS pg_catalog.int4)"
    )
    return function.text.replace(f"${body}$", f"${no_body}$")


def _code(text: str) -> str:
    """Return a statement without the comments before it, on one line."""
    return " ".join(line for line in text.splitlines() if not line.startswith("--")).strip()


def _is_known(shadow: Connection, setting: str) -> bool:
    known = "SELECT EXISTS (SELECT FROM pg_catalog.pg_settings WHERE name = :name)"
    return bool(scalar(shadow, known, name=setting.lower()))
