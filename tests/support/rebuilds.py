"""Tables that are rebuilt while others write to them, with a mirror of what they should hold."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
from alembic.migration import MigrationContext
from alembic.operations import Operations

from tests.support.backfills import KEYS
from tests.support.database import Database

REBUILD = """op.rebuild_table(
        't',
        columns=[
            'value',
            sa.Column('number', sa.Numeric(12, 2), nullable=False),
            {keys},
            sa.Column('kind', sa.Text(), nullable=False, server_default='old'),
        ],
        select={{'number': 'number::numeric + 1'}},
        batch_size={batch_size}, pause={pause},
    )"""


def make_table(database: Database, key: str, rows: int) -> None:
    """Make `t`, and `mirror`, which a trigger keeps at what `t` has for as long as it has it."""
    definition, of, columns = KEYS[key]
    listing = ", ".join(columns)
    same = " AND ".join(f"m.{name} = OLD.{name}" for name in columns)
    new = ", ".join(f"NEW.{name}" for name in columns)
    database.execute(
        f"""
        CREATE TABLE t ({definition}, number text NOT NULL, value integer UNIQUE);
        CREATE INDEX ix_number ON t (number);
        INSERT INTO t ({listing}, number, value)
        SELECT {of.format(n="n")}, n, n FROM generate_series(1, {rows}) AS n;
        CREATE TABLE mirror AS SELECT {listing}, value FROM t;
        CREATE INDEX ON mirror ({listing});
        CREATE FUNCTION mirror() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'TRUNCATE' THEN TRUNCATE mirror; RETURN NULL; END IF;
            IF TG_OP <> 'INSERT' THEN DELETE FROM mirror AS m WHERE {same}; END IF;
            IF TG_OP <> 'DELETE' THEN INSERT INTO mirror VALUES ({new}, NEW.value); END IF;
            RETURN NULL;
        END $$;
        CREATE TRIGGER mirrored AFTER INSERT OR UPDATE OR DELETE ON t
            FOR EACH ROW EXECUTE FUNCTION mirror();
        CREATE TRIGGER emptied AFTER TRUNCATE ON t EXECUTE FUNCTION mirror();
        ANALYZE t;
        """
    )


def call(key: str, batch_size: int, pause: float = 0) -> str:
    """Return the call that rebuilds `t`."""
    names = ", ".join(repr(name) for name in KEYS[key][2])
    return REBUILD.format(keys=names, batch_size=batch_size, pause=pause)


def in_block(text: str) -> str:
    """Return a script that runs a call where each statement commits by itself."""
    return f"with op.get_context().autocommit_block():\n    {text}"


def differences(database: Database, key: str) -> list[tuple[Any, ...]]:
    """Return rows that `t` has and `mirror` has not, or the reverse."""
    listing = ", ".join(KEYS[key][2])
    t, mirror = f"SELECT {listing}, value FROM t", f"SELECT {listing}, value FROM mirror"
    return database.rows(f"(({t} EXCEPT ALL {mirror}) UNION ALL ({mirror} EXCEPT ALL {t})) LIMIT 5")


@contextlib.contextmanager
def autocommit(database: Database, driver: str = "psycopg") -> Iterator[Any]:
    """Operations on a connection on which each statement commits by itself."""
    with database.engine(driver, isolation_level="AUTOCOMMIT").connect() as connection:
        yield Operations(MigrationContext.configure(connection))


@contextlib.contextmanager
def writers(
    database: Database, key: str, rows: int, seed: int, count: int = 3, truncate: bool = False
) -> Iterator[list[int]]:
    """Insert, update, delete and change keys at random for as long as the block.

    What it gives counts what was committed by each.
    """
    stop = threading.Event()
    failures = list[BaseException]()
    done = [0] * count

    def write(number: int) -> None:
        choose = random.Random(seed * 100 + number)
        url = database.url().set(drivername="postgresql")
        _, of, columns = KEYS[key]
        listing = ", ".join(columns)
        fresh = rows + 1_000_000 * (number + 1)
        with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as other:
            while not stop.is_set():
                where = f"({listing}) = ({of.format(n=choose.randrange(1, rows + 1))})"
                fresh += 1
                # Lower, equal and higher keys than there are.
                new = of.format(n=choose.choice([-fresh, fresh, fresh // 7]))
                statements = [
                    f"INSERT INTO t ({listing}, number) SELECT {new}, {fresh}",
                    f"DELETE FROM t WHERE {where}",
                    f"UPDATE t SET ({listing}) = (SELECT {new}) WHERE {where}",
                    f"UPDATE t SET value = {fresh} WHERE {where}",
                    # Values go from row to row, as far as the unique index lets them.
                    f"UPDATE t SET value = value + 1 WHERE {where}",
                ]
                if truncate:
                    statements.append("TRUNCATE t" if choose.random() < 0.02 else "SELECT 1")
                try:
                    with other.transaction():
                        other.execute(choose.choice(statements).encode())
                        time.sleep(choose.random() * 0.01)
                    done[number] += 1
                except (psycopg.errors.UniqueViolation, psycopg.errors.DeadlockDetected):
                    pass
                except BaseException as error:
                    failures.append(error)
                    raise

    threads = [threading.Thread(target=write, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield done
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures, failures
