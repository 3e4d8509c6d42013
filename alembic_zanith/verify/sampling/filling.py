"""Rows of production, written to the shadow."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from alembic_zanith.failures import server_message
from alembic_zanith.identifiers import QualifiedName, literal, quote
from alembic_zanith.sql import rows, run, run_all, scalar
from alembic_zanith.verification import SampleLine

from .choosing import Chosen, Row

if TYPE_CHECKING:
    from sqlalchemy import Connection

_COLUMNS = """
SELECT a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod)
  FROM pg_catalog.pg_attribute a
 WHERE a.attrelid = pg_catalog.to_regclass(:name) AND a.attnum > 0 AND NOT a.attisdropped
   AND a.attgenerated = ''
"""

# Those of a partitioned table have copies in its partitions, which follow them; a partition may
# have more of its own: https://www.postgresql.org/docs/current/sql-createtrigger.html
_TRIGGERS = """
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), t.tgname::text, t.tgenabled::text
  FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgparentid = 0
   AND (t.tgrelid = pg_catalog.to_regclass(:name) OR t.tgrelid IN (
         SELECT relid FROM pg_catalog.pg_partition_tree(pg_catalog.to_regclass(:name))))
"""

_ENABLE = {"O": "ENABLE", "A": "ENABLE ALWAYS", "R": "ENABLE REPLICA"}
_NUMBERS = re.compile(r"smallint|integer|bigint|numeric")
# Which may count down, and a row may be of before it began.
_ADVANCE = """
SELECT pg_catalog.setval(s.seqrelid, CAST(last AS bigint))
  FROM pg_catalog.pg_sequence AS s,
       LATERAL (SELECT CASE WHEN s.seqincrement > 0 THEN pg_catalog.max({column})
                            ELSE pg_catalog.min({column}) END AS last FROM {table}) AS t
 WHERE s.seqrelid = CAST({sequence} AS pg_catalog.regclass)
   AND last BETWEEN s.seqmin AND s.seqmax
"""

# What may go in one attempt; a row that is refused is looked for by halves.
_AT_ONCE = 200


def fill(shadow: Connection, chosen: Mapping[int, Chosen], schema: str | None) -> list[SampleLine]:
    """Write the rows, parents first, and return a line for each table."""
    targets = {oid: _Target(shadow, each, schema) for oid, each in chosen.items()}
    with ExitStack() as stack:
        for target in targets.values():
            stack.enter_context(target.without_triggers())
        _fill(shadow, targets)
    for target in targets.values():
        target.advance_sequences()
    return [target.line() for target in targets.values()]


def _fill(shadow: Connection, targets: Mapping[int, _Target]) -> None:
    # Rows wait for those that they refer to.
    waiting = {oid: list(each.chosen.rows.values()) for oid, each in targets.items()}
    is_moving = True
    while is_moving:
        is_moving = False
        for oid, target in targets.items():
            ready = target.ready(
                waiting[oid], lambda parent, columns: targets[parent].keys(columns)
            )
            if ready:
                waiting[oid] = _without(waiting[oid], ready)
                is_moving = target.write(ready) > 0 or is_moving
    _fill_circles(shadow, targets, waiting)


def _without(rows: list[Row], some: list[Row]) -> list[Row]:
    taken = {id(row) for row in some}
    return [row for row in rows if id(row) not in taken]


def _fill_circles(
    shadow: Connection, targets: Mapping[int, _Target], waiting: dict[int, list[Row]]
) -> None:
    """Write rows that refer to each other, with foreign keys that are checked at the end."""
    is_shrinking = True
    while is_shrinking:
        is_shrinking = False
        # With all that is written or may be.
        known: _Keys = functools.cache(
            lambda parent, columns: (
                targets[parent].keys(columns)
                | targets[parent].chosen.all_values(columns, waiting[parent])
            )
        )
        for oid, target in targets.items():
            ready = target.ready(waiting[oid], known)
            left = len(waiting[oid]) - len(ready)
            if left:
                target.refuse(left, "what they refer to was not copied")
                waiting[oid], is_shrinking = ready, True
    rest = {oid: rows for oid, rows in waiting.items() if rows}
    if not rest:
        return
    savepoint = shadow.begin_nested()
    try:
        with _checked_at_the_end(shadow, [targets[oid] for oid in rest]):
            for oid, ready in rest.items():
                targets[oid].write(ready)
    except DBAPIError as error:
        savepoint.rollback()
        for oid, ready in rest.items():
            targets[oid].forget(ready)
            targets[oid].refuse(len(ready), server_message(error))
    else:
        savepoint.commit()


_IMMEDIATE = """
SELECT pg_catalog.format('ALTER TABLE %I.%I ALTER CONSTRAINT %I', n.nspname, c.relname, k.conname)
  FROM pg_catalog.pg_constraint k
  JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE k.contype = 'f' AND k.conparentid = 0 AND NOT k.condeferrable
   AND k.conrelid IN (SELECT pg_catalog.to_regclass(name)
                        FROM pg_catalog.unnest(CAST(:names AS text[])) AS given(name))
"""


@contextmanager
def _checked_at_the_end(shadow: Connection, targets: list[_Target]) -> Iterator[None]:
    """Make foreign keys wait until the block is done, and be as they were then.

    https://www.postgresql.org/docs/current/sql-altertable.html
    """
    names = [target.name for target in targets]
    altered = [each for (each,) in rows(shadow, _IMMEDIATE, names=names)]
    run_all(shadow, (f"{each} DEFERRABLE" for each in altered))
    run(shadow, "SET CONSTRAINTS ALL DEFERRED")
    yield
    run(shadow, "SET CONSTRAINTS ALL IMMEDIATE")
    run_all(shadow, (f"{each} NOT DEFERRABLE" for each in altered))


_Keys = Callable[[int, tuple[str, ...]], set[Row]]


class _Target:
    """A table of the shadow that rows are written to."""

    def __init__(self, shadow: Connection, chosen: Chosen, schema: str | None) -> None:
        self.chosen = chosen
        self._shadow = shadow
        self._name = QualifiedName(schema or chosen.table.name.schema, chosen.table.name.name)
        types = dict(rows(shadow, _COLUMNS, name=str(self._name)))
        self._types = {name: types[name] for name in chosen.table.columns if name in types}
        self._written = list[Row]()
        self._keys = dict[tuple[str, ...], set[Row]]()
        self._refused = 0
        self._why = ""

    @property
    def name(self) -> str:
        """The table as SQL writes it."""
        return str(self._name)

    def forget(self, some: list[Row]) -> None:
        """Count rows as not written that were taken back."""
        self._written = _without(self._written, some)
        self._keys.clear()

    def keys(self, columns: tuple[str, ...]) -> set[Row]:
        """Return what the rows that were written have in some columns."""
        if columns not in self._keys:
            self._keys[columns] = {self.chosen.values(columns, row) for row in self._written}
        return self._keys[columns]

    def ready(self, some: list[Row], known: _Keys) -> list[Row]:
        """Return the rows all of whose parents are known: by table and columns, their keys."""
        checks = [
            (
                reference.columns,
                reference.parent_columns,
                known(reference.parent, reference.parent_columns),
            )
            for reference in self.chosen.references
        ]
        own = self.chosen.table.oid
        selves = [reference.parent == own for reference in self.chosen.references]

        def is_ready(row: Row) -> bool:
            for (columns, theirs, keys), is_self in zip(checks, selves, strict=True):
                key = self.chosen.values(columns, row)
                if None in key or key in keys:
                    continue
                if not (is_self and key == self.chosen.values(theirs, row)):
                    return False
            return True

        return [row for row in some if is_ready(row)]

    def write(self, ready: list[Row]) -> int:
        """Write rows, and return how many the shadow has taken."""
        if not self._types:
            self.refuse(len(ready), "the shadow has no such table")
            return 0
        before = len(self._written)
        for start in range(0, len(ready), _AT_ONCE):
            self._write(ready[start : start + _AT_ONCE])
        for columns, known in self._keys.items():
            known |= {self.chosen.values(columns, row) for row in self._written[before:]}
        return len(self._written) - before

    def _write(self, some: list[Row]) -> None:
        savepoint = self._shadow.begin_nested()
        try:
            self._shadow.execute(text(self._insert()), [self._parameters(row) for row in some])
        except DBAPIError as error:
            savepoint.rollback()
            if len(some) == 1:
                self.refuse(1, server_message(error))
                return
            middle = len(some) // 2
            self._write(some[:middle])
            self._write(some[middle:])
        else:
            savepoint.commit()
            self._written += some

    def _insert(self) -> str:
        """As text first, which every driver can send; then as the type that the column has."""
        names = ", ".join(quote(each).replace(":", r"\:") for each in self._types)
        values = ", ".join(
            f"CAST(CAST(:v{n} AS text) AS {type_.replace(':', chr(92) + ':')})"
            for n, type_ in enumerate(self._types.values())
        )
        table = str(self._name).replace(":", r"\:")
        return f"INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE VALUES ({values})"

    def _parameters(self, row: Row) -> dict[str, str | None]:
        values = self.chosen.values(self._types, row)
        return {f"v{n}": value for n, value in enumerate(values)}

    @contextmanager
    def without_triggers(self) -> Iterator[None]:
        """Copied rows set nothing off."""
        found = rows(self._shadow, _TRIGGERS, name=str(self._name))
        if not found:
            yield
            return
        run_all(
            self._shadow,
            (f"ALTER TABLE {table} DISABLE TRIGGER {quote(name)}" for table, name, _ in found),
        )
        yield
        run_all(
            self._shadow,
            (
                f"ALTER TABLE {table} {_ENABLE[state]} TRIGGER {quote(name)}"
                for table, name, state in found
            ),
        )

    def advance_sequences(self) -> None:
        """Have the sequences of the columns go on behind what was copied."""
        if not self._written:
            return
        for column in self._types:
            serial = scalar(
                self._shadow,
                "SELECT pg_catalog.pg_get_serial_sequence(:name, :column)",
                name=str(self._name),
                column=column,
            )
            if serial is not None and _NUMBERS.match(self._types[column]):
                run(
                    self._shadow,
                    _ADVANCE.format(
                        sequence=literal(serial), column=quote(column), table=self._name
                    ),
                )

    def refuse(self, count: int, why: str) -> None:
        """Note rows that were left out."""
        self._refused += count
        self._why = self._why or why

    def line(self) -> SampleLine:
        """Return what became of the table."""
        notes = [self.chosen.note] if self.chosen.note else []
        if self._refused:
            notes.append(f"{self._refused} left out: {self._why}")
        missing = [each for each in self.chosen.table.columns if each not in self._types]
        if missing and self._types:
            notes.append(f"without {', '.join(missing)}, which the shadow has not got")
        return SampleLine(self.chosen.table.shown, len(self._written), "; ".join(notes))
