"""Run a function on a connection of any driver, the async one as Alembic's template does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa

from tests.support.database import Database

T = TypeVar("T")

DRIVERS = ("psycopg", "psycopg2", "asyncpg")


def in_transaction(database: Database, driver: str, work: Callable[[sa.Connection], T]) -> T:
    """Return what `work` returns for a connection in a transaction, committed at the end."""
    if driver == "asyncpg":
        return asyncio.run(_in_async_transaction(database, work))
    with database.begin(driver) as connection:
        return work(connection)


async def _in_async_transaction(database: Database, work: Callable[[sa.Connection], T]) -> T:
    engine = database.async_engine()
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(work)
    finally:
        await engine.dispose()
