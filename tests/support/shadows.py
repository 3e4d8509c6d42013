"""Shadows opened as a rehearsal opens them, with production on any driver."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from alembic_zanith.config import ShadowTopology
from alembic_zanith.errors import ShadowUnreachableError
from alembic_zanith.sql import scalar
from alembic_zanith.verify.shadow import Shadow, ShadowRequest, open_shadow
from tests.support.database import Database

T = TypeVar("T")

SECRET = "hunter2-xyzzy"

DATABASE = ShadowRequest(ShadowTopology.DATABASE)
SCHEMA = ShadowRequest(ShadowTopology.SCHEMA)


def kept(request: ShadowRequest) -> ShadowRequest:
    return ShadowRequest(request.topology, request.url, keep=True)


def at(shadow: Database | sa.URL | str, *, keep: bool = False) -> ShadowRequest:
    """Ask for the database of a URL."""
    url = shadow.url() if isinstance(shadow, Database) else shadow
    text = url.render_as_string(hide_password=False) if isinstance(url, sa.URL) else url
    return ShadowRequest(ShadowTopology.URL, text, keep)


def on_production(
    url: sa.URL, work: Callable[[sa.Connection], T], driver: str = "psycopg", **options: Any
) -> T:
    """Return what `work` returns for a connection as env.py makes it: in no transaction yet."""
    url = url.set(drivername=f"postgresql+{driver}")
    options = {"poolclass": sa.NullPool, **options}
    if driver == "asyncpg":
        return asyncio.run(_asynchronously(url, work, options))
    engine = sa.create_engine(url, **options)
    try:
        with engine.connect() as connection:
            return work(connection)
    finally:
        engine.dispose()


async def _asynchronously(
    url: sa.URL, work: Callable[[sa.Connection], T], options: dict[str, Any]
) -> T:
    engine = create_async_engine(url, **options)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(work)
    finally:
        await engine.dispose()


def shadowed(
    production: Database,
    request: ShadowRequest,
    work: Callable[[Shadow], T],
    driver: str = "psycopg",
    **options: Any,
) -> T:
    """Return what `work` returns for a shadow of a database."""

    def run(connection: sa.Connection) -> T:
        with open_shadow(connection, request) as shadow:
            return work(shadow)

    return on_production(production.url(), run, driver, **options)


def refused(
    production: Database, request: ShadowRequest, driver: str = "psycopg", **options: Any
) -> str:
    """Return why there is no shadow. No password is in it, nor in what a traceback prints."""
    with pytest.raises(ShadowUnreachableError) as refusal:
        shadowed(production, request, lambda shadow: None, driver, **options)
    printed = "".join(traceback.format_exception(refusal.value)) + repr(refusal.value)
    assert SECRET not in printed
    return str(refusal.value)


def do(shadow: Shadow, *statements: str) -> None:
    """Run statements on a shadow, as a script that is committed."""
    for statement in statements:
        shadow.connection.exec_driver_sql(statement)
    shadow.connection.commit()


def asked(shadow: Shadow, query: str) -> Any:
    """Return the first value of a query on a shadow."""
    value = scalar(shadow.connection, query)
    shadow.connection.rollback()
    return value
