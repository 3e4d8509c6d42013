"""Values that go from some columns of a table into others, by expressions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from alembic_zanith.catalog.relation import Column, Relation, columns
from alembic_zanith.errors import ConstraintConflictError, ExpressionError, ZanithError
from alembic_zanith.failures import explained, server_message, sqlstate
from alembic_zanith.identifiers import QualifiedName, display_name, quote
from alembic_zanith.integrity import pinned_settings
from alembic_zanith.movement.filling import enclosed
from alembic_zanith.sql import run, unheard

from .failing_row import count, failing_row, key_and, sample_rows

SAMPLE = 5

# Errors of the data, of an expression or a constraint: a row is to blame.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_OF_A_ROW = ("22", "23", "P0")
_OF_THE_SQL = "42"
_NO_PRIVILEGE = "42501"


@dataclass(frozen=True)
class Movement:
    """Moves values within one table, which is locked.

    `what` is the operation as messages name it, `shown` are the columns that a message shows of a
    row beside its key. Expressions are evaluated under the settings of the caller.
    """

    connection: Connection
    relation: Relation
    what: str
    shown: Sequence[str]

    def fill(self, values: Mapping[str, str], where: str = "true") -> int:
        """Set columns to the values of expressions; return in how many rows.

        Raises `ExpressionError` with the row that an expression fails on, and `ZanithError` where
        a trigger or rule keeps a row from being written.
        """
        expected = count(self.connection, self.relation, where)
        try:
            with self.connection.begin_nested():
                done = run(self.connection, self._update(self.relation.name, values, where))
        except DBAPIError as error:
            raise self._failed(values, where, error) from error
        if done.rowcount != expected:
            raise ZanithError(
                f"{self.what} changed nothing: {expected - done.rowcount:,} of {expected:,} rows "
                f"of {self.relation.name.display} were not written, because a trigger or a rule of "
                "the table kept them from it. Disable it for the time of this migration."
            )
        return expected

    def _update(self, table: QualifiedName, values: Mapping[str, str], where: str) -> str:
        assignments = ", ".join(f"{quote(n)} = {enclosed(text)}" for n, text in values.items())
        return f"UPDATE {table} AS {self._alias} SET {assignments} WHERE {where}"

    @property
    def _alias(self) -> str:
        return quote(self.relation.name.name)

    def _failed(
        self, values: Mapping[str, str], where: str, error: DBAPIError
    ) -> ExpressionError | ZanithError:
        state = sqlstate(error)
        names = " and ".join(display_name(name) for name in values)
        if error.connection_invalidated or state == _NO_PRIVILEGE:
            return explained(self.what, error)
        if state.startswith(_OF_THE_SQL):
            return ExpressionError(
                f"{self.what} changed nothing: an expression for {names} does not work: "
                f"{server_message(error)}."
            )
        if not state.startswith(_OF_A_ROW):
            return explained(self.what, error)
        row = self._failing_row(values, where, state)
        where_it_is = f", at the row {row} of {self.relation.name.display}" if row else ""
        return ExpressionError(
            f"{self.what} changed nothing: {server_message(error)}{where_it_is}. Mend the row, or "
            f"the expression for {names}.",
            row,
        )

    def _failing_row(self, values: Mapping[str, str], where: str, state: str) -> str:
        types = self._types(values)

        def reading(table: QualifiedName, condition: str) -> str:
            # Without the length, to which a cast would cut them.
            casts = ", ".join(
                f"pg_catalog.count(CAST({enclosed(text)} AS {types[name].bare_type}))"
                for name, text in values.items()
            )
            return f"SELECT {casts} FROM ONLY {table} AS {self._alias} WHERE {also(condition)}"

        def writing(table: QualifiedName, condition: str) -> str:
            update = self._update(table, values, also(condition))
            return update.replace("UPDATE ", "UPDATE ONLY ", 1)

        def also(condition: str) -> str:
            return f"({where}) AND {condition}"

        with unheard():
            return failing_row(
                self.connection, self.relation, (reading, writing), state, self.shown
            )

    def _types(self, names: Iterable[str]) -> dict[str, Column]:
        wanted = set(names)
        with pinned_settings(self.connection):
            found = columns(self.connection, self.relation)
        return {column.name: column for column in found if column.name in wanted}

    def differs(self, values: Mapping[str, str]) -> str:
        """Return the condition of the rows whose columns are not what expressions say.

        Values are the same only where they are so to the last bit: numbers that are equal may
        have other digits, and a collation may call other texts equal. It works for types that
        have no comparison, too.
        https://www.postgresql.org/docs/current/functions-comparisons.html#COMPOSITE-TYPE-COMPARISON
        """
        types = self._types(values)
        # A domain could refuse what an expression gives for a row that is not asked about.
        kinds = {name: types[name].base_type or types[name].type for name in values}
        stored = ", ".join(f"CAST({quote(name)} AS {kinds[name]})" for name in values)
        told = ", ".join(
            f"CAST({enclosed(text)} AS {kinds[name]})" for name, text in values.items()
        )
        return f"CAST(ROW({stored}) AS record) OPERATOR(pg_catalog.*<>) CAST(ROW({told}) AS record)"

    def count(self, where: str) -> int:
        """Return how many rows a condition is true of.

        Raises `ExpressionError` where it fails.
        """
        try:
            with self.connection.begin_nested():
                return count(self.connection, self.relation, where)
        except DBAPIError as error:
            if sqlstate(error).startswith((*_OF_A_ROW, _OF_THE_SQL)):
                raise ExpressionError(
                    f"{self.what} changed nothing: what tells the rows that were written since "
                    f"from the others does not work: {server_message(error)}."
                ) from error
            raise

    def sample(self, where: str, names: Sequence[str] = ()) -> str:
        """Return a few rows that a condition is true of, in one line."""
        with pinned_settings(self.connection):
            shown = key_and(self.connection, self.relation, [*self.shown, *names])
        source = f"{self.relation.name} AS {self._alias}"
        return "; ".join(sample_rows(self.connection, source, where, shown, SAMPLE))

    def set_not_null(self, name: str) -> None:
        """Have a column accept NULL no more.

        Raises `ConstraintConflictError` with the number of rows without a value, and a few.
        """
        missing = f"{quote(name)} IS NULL"
        number = count(self.connection, self.relation, missing)
        if number:
            rows = "1 row has" if number == 1 else f"{number:,} rows have"
            raise ConstraintConflictError(
                f"{self.what} changed nothing: {rows} no value for {display_name(name)}, which is "
                f"NOT NULL, for example: {self.sample(missing)}. Have its expression give them "
                "one, as with coalesce(…, ''), or let it accept NULL.",
                name,
                number,
            )
        run(
            self.connection,
            f"ALTER TABLE {self.relation.name} ALTER COLUMN {quote(name)} SET NOT NULL",
        )
