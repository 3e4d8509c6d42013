"""Worlds for the exact rule: generated tables, plain, partitioned or inheriting, and their rows."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError

from alembic_zanith.identifiers import quote
from tests.support.exact.catalogue import DEPENDENTS, FEATURES, KEYS, Feature
from tests.support.exact.columns import ColumnKind, column_kinds
from tests.support.exact.kit import SCHEMA, Kit
from tests.support.exact.targets import Target

COLUMN_NAMES = ("c1", '"Second one"', "c3", '"from"', "c5", '"ünï"')
NAMES = ("thing", "Odd name", "item", 'it"s', "lower", "ünï", "100%")


@dataclass(frozen=True)
class World:
    """Statements that make tables with rows, and `extras` that hold where PostgreSQL allows."""

    setup: tuple[str, ...]
    extras: tuple[str, ...] = ()

    def build(self, kit: Kit) -> list[str]:
        """Make the world, in place of the last one, and return the statements that it is made of.

        Raises DBAPIError when a statement of `setup` is refused.
        """
        kit.clear()
        with kit.database.begin("psycopg") as connection:
            connection.exec_driver_sql(f"SET LOCAL search_path = {SCHEMA}")
            for statement in self.setup:
                _run(connection, statement)
            accepted = [extra for extra in self.extras if _is_accepted(connection, extra)]
        return [*self.setup, *accepted]


def _run(connection: sa.Connection, statements: str) -> None:
    connection.exec_driver_sql(statements, execution_options={"no_parameters": True})


def _is_accepted(connection: sa.Connection, statements: str) -> bool:
    attempt = connection.begin_nested()
    try:
        _run(connection, statements)
    except DBAPIError:
        attempt.rollback()
        return False
    attempt.commit()
    return True


@dataclass
class Columns:
    """The columns of a table, by name."""

    kinds: Mapping[str, ColumnKind]

    @property
    def declarations(self) -> str:
        return ", ".join(f"{name} {kind.declaration}" for name, kind in self.kinds.items())

    def insert(self, table: str, first: int, last: int, *, is_child: bool = False) -> str:
        """Return an INSERT of rows `first` to `last`; the fifth row has NULLs where it may.

        A child by plain inheritance has the columns, but neither identities nor all defaults.
        """
        values = {
            name: f"CASE WHEN g <> 5 THEN {kind.value} END" if kind.is_nullable else kind.value
            for name, kind in self.kinds.items()
            if kind.value is not None
        }
        if is_child:
            numbered = (n for n, kind in self.kinds.items() if kind.family == "int")
            values |= {name: "g" for name in numbered if name not in values}
        names = ", ".join(("id", *values))
        return (
            f"INSERT INTO {table} ({names}) SELECT {', '.join(('g', *map(str, values.values())))}"
            f" FROM generate_series({first}, {last}) g"
        )

    def families(self) -> dict[str, list[str]]:
        """Return the names of the columns that each place of a feature may stand for."""
        found: dict[str, list[str]] = defaultdict(list)
        for name, kind in self.kinds.items():
            found[kind.family].append(name)
            if not kind.is_nullable:
                found["full"].append(name)
        found["range"] += found["period"]
        found = {family: names for family, names in found.items() if names}
        return {**found, "id": ["id"], "any": ["id", *self.kinds], "more": [*self.kinds, "id"]}


@dataclass
class Filling:
    """Fills the places of features: with what hypothesis draws, or with the first that fits."""

    kit: Kit
    columns: Columns
    draw: st.DrawFn | None = None
    is_partitioned: bool = False
    _names: Iterator[str] = field(init=False)

    def __post_init__(self) -> None:
        self._names = (
            quote(f"{NAMES[number % len(NAMES)]}_{number}") for number in itertools.count(1)
        )

    def fits(self, feature: Feature) -> bool:
        """Whether the table has columns for all the places, and the server knows the feature."""
        known = {"t", "n", "m", *self.kit.names, *self.columns.families()}
        if feature.plain_only and self.is_partitioned:
            return False
        return feature.since <= self.kit.major and feature.places <= known

    def fill(self, feature: Feature, tables: Sequence[str]) -> str:
        """Return the feature's statements."""
        filled = {place: self._choose(names) for place, names in self.options(feature).items()}
        names = {"t": self._choose(tables), "n": next(self._names), "m": next(self._names)}
        return feature.sql.format(**self.kit.names, **names, **filled)

    def options(self, feature: Feature) -> dict[str, list[str]]:
        """Return the columns that may fill each place of a feature."""
        families = self.columns.families()
        return {place: families[place] for place in sorted(feature.places & families.keys())}

    def _choose(self, options: Sequence[str]) -> str:
        return options[0] if self.draw is None else self.draw(st.sampled_from(options))


def world_of_features(kit: Kit, features: Sequence[Feature]) -> tuple[World, list[Target]]:
    """Return a world with one table for each feature, and the targets that the features touch.

    Nothing is left to chance: every table has a column of every family, and a key.
    """
    by_family = {kind.family: kind for kind in reversed(column_kinds(kit.major))}
    wide = Columns({f"c_{family}": kind for family, kind in by_family.items()})
    filling = Filling(kit, wide)
    setup, targets = [], []
    for number, feature in enumerate(features, 1):
        table = f"t{number}"
        setup += [f"CREATE TABLE {table} (id integer, {wide.declarations})"]
        setup += [wide.insert(table, 1, 6)]
        if feature not in KEYS:
            setup += [f"ALTER TABLE {table} ADD PRIMARY KEY (id)"]
        setup += [filling.fill(feature, [table])]
        names = {options[0] for options in filling.options(feature).values()}
        targets += [Target(SCHEMA, table, name) for name in sorted(names)]
        targets += [Target(SCHEMA, table)]
    return World(tuple(setup)), targets


def world_of_columns(kit: Kit) -> World:
    """Return a world with one table that has a column of every kind."""
    kinds = {f"c{number}": kind for number, kind in enumerate(column_kinds(kit.major), 1)}
    wide = Columns(kinds)
    create = f"CREATE TABLE t (id integer PRIMARY KEY, {wide.declarations})"
    return World((create, wide.insert("t", 1, 6)))


def columns(major: int) -> st.SearchStrategy[Columns]:
    """Return a strategy for up to six columns; every family is as likely as every other.

    No two name their constraint, as the names would be the same.
    """
    families: dict[str, list[ColumnKind]] = defaultdict(list)
    for kind in column_kinds(major):
        families[kind.family].append(kind)
    any_kind = st.one_of([st.sampled_from(kinds) for kinds in families.values()])
    several = st.lists(
        any_kind,
        min_size=1,
        max_size=len(COLUMN_NAMES),
        unique_by=lambda kind: "CONSTRAINT" in kind.declaration or object(),
    )
    return several.map(lambda kinds: Columns(dict(zip(COLUMN_NAMES, kinds, strict=False))))


@st.composite
def plain_worlds(draw: st.DrawFn, kit: Kit) -> World:
    """One table on its own."""
    found = draw(columns(kit.major))
    create = draw(
        st.sampled_from(
            [
                "CREATE TABLE t (id integer, {})",
                "CREATE TABLE t ({}, id integer)",
                "CREATE TABLE t (id integer, {}, gone integer); ALTER TABLE t DROP gone",
                "CREATE UNLOGGED TABLE t (id integer, {}) WITH (fillfactor = 70)",
                "CREATE TABLE t (id integer, {}) TABLESPACE " + kit.names["space"],
            ]
        )
    )
    setup = [create.format(found.declarations), found.insert("t", 1, 6)]
    return _with_features(draw, kit, found, ["t"], setup)


_PARTITIONINGS = {
    "RANGE (id)": (
        "CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (MINVALUE) TO (3)",
        "CREATE TABLE t_2 (gone integer, LIKE t INCLUDING DEFAULTS INCLUDING GENERATED);"
        " ALTER TABLE t_2 DROP gone; ALTER TABLE t ATTACH PARTITION t_2 FOR VALUES FROM (3) TO (5)",
        "CREATE TABLE t_3 PARTITION OF t DEFAULT PARTITION BY LIST (id)",
        "CREATE TABLE t_3_1 PARTITION OF t_3 FOR VALUES IN (5, NULL)",
        "CREATE TABLE t_3_2 PARTITION OF t_3 DEFAULT",
    ),
    "LIST (id)": (
        "CREATE TABLE t_1 PARTITION OF t FOR VALUES IN (1, 2, 3, NULL)",
        "CREATE TABLE t_2 PARTITION OF t FOR VALUES IN (4, 5, 6) PARTITION BY HASH (id)",
        "CREATE TABLE t_2_1 PARTITION OF t_2 FOR VALUES WITH (modulus 1, remainder 0)",
    ),
    "RANGE (kit.twice(id))": (
        "CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (MINVALUE) TO (4)",
        "CREATE TABLE t_2 PARTITION OF t FOR VALUES FROM (4) TO (MAXVALUE)",
    ),
}


@st.composite
def partitioned_worlds(draw: st.DrawFn, kit: Kit) -> World:
    """A table with partitions, some of them attached, some partitioned themselves."""
    found = draw(columns(kit.major))
    by, partitions = draw(st.sampled_from(list(_PARTITIONINGS.items())))
    setup = [f"CREATE TABLE t (id integer, {found.declarations}) PARTITION BY {by}", *partitions]
    setup.append(found.insert("t", 1, 6))
    tables = ["t", "t", "t", "t_1", "t_2"]
    return _with_features(draw, kit, found, tables, setup, is_partitioned=True)


_CHILDREN = [
    ("CREATE TABLE child (more text DEFAULT 'x', extra integer CHECK (extra > 0)) INHERITS (t)",),
    (
        "CREATE TABLE child () INHERITS (t)",
        "CREATE TABLE grandchild (extra integer NOT NULL DEFAULT 4) INHERITS (child)",
    ),
    (
        "CREATE TABLE other (tag text, id integer)",
        "CREATE TABLE child (extra integer) INHERITS (t, other)",
    ),
    ("CREATE TABLE child (id integer NOT NULL DEFAULT 9, extra integer) INHERITS (t)",),
    ("CREATE TABLE child (LIKE t INCLUDING GENERATED)", "ALTER TABLE child INHERIT t"),
]


@st.composite
def inheriting_worlds(draw: st.DrawFn, kit: Kit) -> World:
    """A table with children by plain inheritance."""
    found = draw(columns(kit.major))
    children = draw(st.sampled_from(_CHILDREN))
    setup = [f"CREATE TABLE t (id integer, {found.declarations})", *children]
    setup += [found.insert("t", 1, 3), found.insert("child", 4, 6, is_child=True)]
    return _with_features(draw, kit, found, ["t", "t", "child"], setup)


def _with_features(
    draw: st.DrawFn,
    kit: Kit,
    found: Columns,
    tables: list[str],
    setup: list[str],
    *,
    is_partitioned: bool = False,
) -> World:
    filling = Filling(kit, found, draw, is_partitioned)
    keys, features, dependents = (
        [feature for feature in section if filling.fits(feature)]
        for section in (KEYS, FEATURES, DEPENDENTS)
    )
    drawn = draw(st.lists(st.sampled_from(keys), max_size=1))
    drawn += draw(st.lists(st.sampled_from(features), max_size=12, unique=True))
    drawn += draw(st.lists(st.sampled_from(dependents), max_size=1))
    extras = [filling.fill(feature, tables) for feature in drawn]
    return World(tuple(setup), tuple(extras))
