"""What others write to the old table while its rows are copied: noted by a trigger, then caught up.

The trigger notes keys, in the transaction of the write: whenever a key is not noted, its row in the
new table is what a row of the old one gives, or it is still to be copied. Catching up takes the
noted keys at one moment, deletes their rows from the new table, copies those that are in the old
one at that moment, and forgets the notes of that moment. A write that is committed later has notes
of its own, which stay. So no write is lost, whatever it does to keys, and behind each catching up
the new table holds the rows that the old one had at that moment: no unique index is offended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from alembic_zanith.catalog.relation import columns, get_relation
from alembic_zanith.identifiers import QualifiedName, fit, literal, quote
from alembic_zanith.integrity import under_settings
from alembic_zanith.movement.keys import Key, KeyColumn
from alembic_zanith.privileges import close_to_others
from alembic_zanith.sql import one, run, run_all

from .building import Building, copying_from

PREFIX = "_zanith_changes_"

_EVENTS = (
    "INSERT OR UPDATE OR DELETE ON {} FOR EACH ROW",
    "TRUNCATE ON {} FOR EACH STATEMENT",
)

# A few keys are looked up among many rows, whatever the planner thinks of the notes.
_LOOK_UP = {"enable_hashjoin": "off", "enable_mergejoin": "off"}


@dataclass(frozen=True)
class Changes:
    """The notes of one rebuild: a table, and the triggers with their function that fill it.

    `new_types` are the types that the columns of the key have in the new table.
    """

    building: Building
    key: Key
    id: str
    new_types: Mapping[str, str]

    @classmethod
    def of(cls, building: Building, key: Key, artifact_id: str) -> Self:
        """Return the notes of a rebuild whose new table is there, under pinned settings."""
        place = get_relation(building.connection, building.place.name, building.place.schema)
        types = {each.name: each.type for each in columns(building.connection, place)}
        return cls(building, key, artifact_id, types)

    @property
    def table(self) -> QualifiedName:
        return self.building.place.renamed(fit(PREFIX, "", self.id))

    @property
    def _triggers(self) -> tuple[str, str]:
        name = fit(PREFIX, "", self.id)
        return name, f"{name}_all"

    @property
    def _old(self) -> QualifiedName:
        return self.building.survey.relation.name

    @property
    def _columns(self) -> list[tuple[str, KeyColumn]]:
        return [(quote(f"k{n}"), column) for n, column in enumerate(self.key.columns, 1)]

    def begin(self) -> None:
        """Note all writes from now on. The table is locked against writes meanwhile.

        The function runs with the rights of its owner, as those who write have none on the notes,
        and the triggers fire for replicated writes as well.
        https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-DISABLE-ENABLE-TRIGGER
        """
        connection = self.building.connection
        types = {
            column.name: column.type + (f" COLLATE {column.collation}" if column.collation else "")
            for column in self.building.survey.columns
        }
        kept = ", ".join(f"{name} {types[column.name]}" for name, column in self._columns)
        run(connection, f"CREATE TABLE {self.table} ({kept}, emptied boolean)")
        close_to_others(connection, self.table)
        run(
            connection,
            f"CREATE FUNCTION {self.table}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
            f" SET search_path = pg_catalog, pg_temp AS {literal(self._body())}",
        )
        for name, events in zip(self._triggers, _EVENTS, strict=True):
            run(
                connection,
                f"CREATE TRIGGER {quote(name)} AFTER {events.format(self._old)}"
                f" EXECUTE FUNCTION {self.table}()",
            )
            run(connection, f"ALTER TABLE {self._old} ENABLE ALWAYS TRIGGER {quote(name)}")

    def _body(self) -> str:
        names = ", ".join(name for name, _ in self._columns)
        before = ", ".join(f"OLD.{quote(column.name)}" for _, column in self._columns)
        after = ", ".join(f"NEW.{quote(column.name)}" for _, column in self._columns)
        note = f"INSERT INTO {self.table} ({names}) VALUES"
        return (
            "BEGIN"
            f" IF TG_OP = 'TRUNCATE' THEN INSERT INTO {self.table} (emptied) VALUES (true);"
            " RETURN NULL; END IF;"
            f" IF TG_OP <> 'INSERT' THEN {note} ({before}); END IF;"
            f" IF TG_OP <> 'DELETE' THEN {note} ({after}); END IF;"
            " RETURN NULL; END"
        )

    def triggers(self) -> list[list[str]]:
        """Return name, row version and state of each trigger, as they are at the moment.

        `ALTER TABLE … DISABLE TRIGGER` writes the row of a trigger anew, as ENABLE does, so that
        its `xmin` is another for ever: freezing leaves it as it is, and sets a flag beside it.
        https://www.postgresql.org/docs/current/routine-vacuuming.html#VACUUM-FOR-WRAPAROUND
        """
        names = ", ".join(map(literal, self._triggers))
        found = run(
            self.building.connection,
            "SELECT CAST(t.tgname AS pg_catalog.text), CAST(t.xmin AS pg_catalog.text),"
            " CAST(t.tgenabled AS pg_catalog.text)"
            f" FROM pg_catalog.pg_trigger t WHERE t.tgname IN ({names})"
            f" AND t.tgrelid = CAST({self.building.survey.relation.oid} AS pg_catalog.oid)"
            " ORDER BY t.tgname",
        )
        return [[str(each) for each in row] for row in found]

    def stop_noting(self) -> None:
        """Take the triggers away; the notes stay until they are caught up with."""
        for name in self._triggers:
            run(self.building.connection, f"DROP TRIGGER {quote(name)} ON {self._old}")

    def forget(self) -> None:
        """Drop the notes."""
        run_all(
            self.building.connection,
            [f"DROP FUNCTION {self.table}()", f"DROP TABLE {self.table}"],
        )

    def waiting(self) -> int:
        """Return how many notes there are, and have the planner know it."""
        run(self.building.connection, f"ANALYZE {self.table}")
        query = f"SELECT pg_catalog.count(*) FROM {self.table}"
        return int(one(self.building.connection, query)[0])

    def catch_up(self) -> None:
        """Do to the new table what others did to the old one, as of one moment.

        To be called in a transaction that sees one moment throughout: at REPEATABLE READ, or with
        the old table locked against writes. Its settings are those that the caller of the rebuild
        has.
        """
        connection, place, old = self.building.connection, self.building.place, self._old
        names = ", ".join(name for name, _ in self._columns)
        noted = (
            f"(SELECT DISTINCT {names} FROM {self.table} WHERE emptied IS NULL) AS _zanith_noted"
        )
        with under_settings(connection, _LOOK_UP):
            run(
                connection,
                f"DELETE FROM {place} AS _zanith_new USING {noted} WHERE {self._same_in_new()}",
            )
        if one(connection, f"SELECT EXISTS (SELECT FROM {self.table} WHERE emptied)")[0]:
            run(
                connection,
                f"DELETE FROM {place} AS _zanith_new WHERE NOT EXISTS (SELECT FROM ONLY {old} AS"
                f" _zanith_old WHERE {self._same_in_both()})",
            )
        with under_settings(connection, _LOOK_UP):
            run(
                connection,
                copying_from(
                    self.building,
                    f"(SELECT _zanith_old.* FROM ONLY {old} AS _zanith_old, {noted}"
                    f" WHERE {self._same_in_old()})",
                ),
            )
        run(connection, f"DELETE FROM {self.table}")

    def _same_in_old(self) -> str:
        return " AND ".join(
            f"_zanith_old.{quote(column.name)} OPERATOR({self.key.operators}.=)"
            f" _zanith_noted.{name}"
            for name, column in self._columns
        )

    def _same_in_new(self) -> str:
        return " AND ".join(
            self._equal(column, f"_zanith_noted.{name}") for name, column in self._columns
        )

    def _same_in_both(self) -> str:
        return " AND ".join(
            self._equal(column, f"_zanith_old.{quote(column.name)}") for _, column in self._columns
        )

    def _equal(self, column: KeyColumn, value: str) -> str:
        """Return whether the new row has the value, which becomes one of the new type."""
        new_type = self.new_types[column.name]
        old = next(each for each in self.building.survey.columns if each.name == column.name)
        schema = self.key.operators if new_type == old.type else "pg_catalog"
        return f"_zanith_new.{quote(column.name)} OPERATOR({schema}.=) CAST({value} AS {new_type})"
