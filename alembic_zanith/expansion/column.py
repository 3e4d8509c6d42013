"""What there is to know of a column before another takes its place."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from alembic_zanith.catalog.relation import Column, Relation, columns, get_column, get_relation
from alembic_zanith.errors import DependentObjectsError, NotSyncableError
from alembic_zanith.identifiers import display_name
from alembic_zanith.sql import rows

from .questions import DEFAULT, DEPENDENTS, GRANTS, HINDRANCES, NAMES, PARTS


@dataclass(frozen=True)
class Carried:
    """An index or a constraint that the new column is to have as well.

    `kind` is PostgreSQL's letter: i for an index, u, c and f for constraints. `definition` is the
    CREATE INDEX, or what follows the name of the constraint; `index` the CREATE INDEX of u.
    """

    kind: str
    name: str
    definition: str
    index: str = ""
    traits: str = ""


@dataclass(frozen=True)
class OldColumn:
    """A column with all that a new one in its place has to have."""

    relation: Relation
    column: Column
    default: str | None
    default_differs: bool
    """Whether the default gives another value each time."""
    carried: tuple[Carried, ...]
    grants: tuple[tuple[str, str, bool], ...]
    """Role as SQL, privilege, and whether it may grant it on."""
    statistics: tuple[str, ...]
    columns: frozenset[str]
    names: frozenset[str]
    """What indexes in its schema and constraints of its table are called."""
    default_schema: str

    @property
    def shown(self) -> str:
        return f"{self.relation.name.display}.{display_name(self.column.name)}"

    @property
    def schema(self) -> str | None:
        """The schema as a script has to name it."""
        own = self.relation.name.schema
        return None if own == self.default_schema else own


def read_column(
    connection: Connection, table: str, column: str, schema: str | None, default_schema: str
) -> OldColumn:
    """Return what there is of a column. Call it under `pinned_settings`; nothing is written.

    Raises `UnknownObjectError`, `NotSyncableError` and `DependentObjectsError`.
    """
    relation = get_relation(connection, table, schema)
    found = get_column(connection, relation, column)
    place = {"oid": relation.oid, "number": found.number}
    shown = f"{relation.name.display}.{display_name(column)}"
    _refuse_hindrances(connection, shown, place)
    needed_by = [row.object for row in rows(connection, DEPENDENTS, **place)]
    if needed_by:
        raise DependentObjectsError(
            f"{shown} cannot go later, because other objects need it:\n"
            + "\n".join(f"  - {each}" for each in needed_by)
            + "\nNothing was written. Have them do without the column in a revision before this.",
            needed_by,
        )
    parts = tuple(Carried(*row) for row in rows(connection, PARTS, **place))
    if relation.is_partitioned and parts:
        names = ", ".join(display_name(each.name) for each in parts)
        raise NotSyncableError(
            f"{shown} is of a partitioned table and has {names}, and PostgreSQL builds none of "
            "these beside writers there. Nothing was written. Write the two revisions by hand, "
            "with op.sync_columns, and build them partition by partition: "
            "https://www.postgresql.org/docs/current/sql-createindex.html"
        )
    defaults = rows(connection, DEFAULT, **place)
    return OldColumn(
        relation,
        found,
        defaults[0].expression if defaults else None,
        bool(defaults and defaults[0].is_volatile),
        tuple(each for each in parts if each.kind != "s"),
        tuple(
            (row.role, row.privilege, row.grantable) for row in rows(connection, GRANTS, **place)
        ),
        tuple(each.name for each in parts if each.kind == "s"),
        frozenset(each.name for each in columns(connection, relation)),
        frozenset(row.name for row in rows(connection, NAMES, **place)),
        default_schema,
    )


def _refuse_hindrances(connection: Connection, shown: str, place: dict[str, int]) -> None:
    """Raise for what a column can be that no other can be in its place."""
    for row in rows(connection, HINDRANCES, **place):
        raise NotSyncableError(f"{shown} {row.reason} Nothing was written.")
