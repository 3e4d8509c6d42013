"""Read what hangs on a column or a table.

Run under `integrity.pinned_settings`, so that PostgreSQL prints every name qualified, and after
the column or table has its parked name, so that the captured SQL speaks of that name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from alembic_zanith.errors import ZanithError
from alembic_zanith.sql import rows

from . import queries
from .constraints import (
    Constraint,
    ConstraintComment,
    ForeignKey,
    Index,
    IndexAttachment,
    IndexTraits,
    InheritedNotNull,
    NamedNotNull,
)
from .grants import ColumnGrants, GrantEntry, Grants
from .parts import Default, GeneratedExpression, NotNull, Part
from .relation import Column, Relation, server_version
from .retyping import bar_to_rewriting
from .statistics_parts import ExtendedStatistics
from .table_parts import (
    InheritsFrom,
    PartitionOf,
    Policy,
    PublicationMembership,
    Rule,
    Trigger,
    TriggerState,
)

_HARMLESS_NODES = {"CONST", "RELABELTYPE", "SQLVALUEFUNCTION", "FUNCEXPR"}
_HARMLESS_CALLS = re.compile(
    r"(now|gen_random_uuid|uuidv7|uuidv4|clock_timestamp|statement_timestamp"
    r"|transaction_timestamp)\([^()]*\)\Z"
)


@dataclass(frozen=True)
class Scope:
    """What to read: a whole table, or what a DROP of one of its columns would take along."""

    connection: Connection
    relation: Relation
    column: Column | None = None

    def rows(self, query: str) -> list[Any]:
        parameters: dict[str, Any] = {"oid": self.relation.oid}
        if ":attnum" in query:
            parameters["attnum"] = None if self.column is None else self.column.number
        return rows(self.connection, query, **parameters)

    @property
    def version(self) -> int:
        return server_version(self.connection)


@dataclass(frozen=True)
class Found:
    """A part, and whether it needs anything outside of its table that could be dropped."""

    part: Part
    reaches_out: bool
    can_be_renamed: bool = True


def traits(row: Any, *, with_options: bool) -> IndexTraits:
    statistics = tuple(
        (int(number), int(target))
        for number, target in (item.split(":") for item in row.statistics.split(",") if item)
    )
    return IndexTraits(
        comment=row.index_comment,
        tablespace=row.tablespace,
        is_clustered=row.is_clustered,
        is_replica_identity=row.is_replica_identity,
        options=tuple(row.options) if with_options else (),
        statistics=statistics,
    )


def _attachment(row: Any) -> Iterator[Part]:
    if row.parent_name is not None:
        yield IndexAttachment(row.name, row.parent_schema, row.parent_name)


def constraints(scope: Scope) -> Iterator[Found]:
    """Yield checks, NOT NULLs with a name, keys and exclusion constraints, and foreign keys."""
    for row in scope.rows(queries.CONSTRAINTS):
        if row.type == "f":
            if not row.is_clone:
                yield Found(_foreign_key(scope, row), True)
            elif row.comment is not None:
                yield Found(ConstraintComment(row.name, row.comment), False)
        elif row.has_index:
            yield from (Found(part, row.reaches_out) for part in _key(row))
        elif row.inheritance_count == 0 or row.is_local:
            yield Found(_check_or_not_null(row), row.reaches_out, row.can_be_renamed)
        elif row.type == "n" and not row.has_parents_name:
            yield Found(InheritedNotNull(row.name, row.definition, row.comment), False)
        elif row.comment is not None:
            yield Found(ConstraintComment(row.name, row.comment), False)


def _check_or_not_null(row: Any) -> Constraint | NamedNotNull:
    if row.type == "n":
        return NamedNotNull(row.name, row.definition, row.columns[0], row.comment)
    return Constraint(row.name, row.type, row.definition, row.comment, expression=row.expression)


_TIMING = re.compile(r"( DEFERRABLE)?( INITIALLY DEFERRED)?\Z")


def _key(row: Any) -> Iterator[Part]:
    definition = row.definition
    if row.is_partitioned and row.options and row.type != "x":
        # ALTER INDEX … SET does not work on the index of a partitioned table, so it is made with
        # its options. Of an exclusion constraint the definition has them.
        split = _TIMING.search(definition)
        assert split is not None
        options = f" WITH ({', '.join(row.options)})"
        definition = f"{definition[: split.start()]}{options}{split[0]}"
    yield Constraint(
        name=row.name,
        type=row.type,
        definition=definition,
        comment=row.comment,
        traits=traits(row, with_options=not row.is_partitioned),
        attached_to=row.parent_name,
        is_partitioned=row.is_partitioned,
        keys=tuple(row.keys),
        operators=tuple(row.operators),
        predicate=row.predicate,
    )
    yield from _attachment(row)


def _foreign_key(scope: Scope, row: Any) -> ForeignKey:
    return ForeignKey(
        name=row.name,
        definition=row.definition,
        parent=row.parent,
        columns=tuple(row.columns),
        parent_columns=tuple(row.parent_columns),
        validated=row.validated,
        can_defer_validation=not scope.relation.is_partitioned or scope.version >= 180000,
        comment=row.comment,
        parent_oid=row.parent_oid,
    )


def indexes(scope: Scope) -> Iterator[Found]:
    """Yield the indexes that no constraint owns. One that is not valid is nothing to bring back."""
    for row in scope.rows(queries.INDEXES):
        if not row.is_valid and not row.is_partitioned:
            continue
        yield Found(
            Index(
                name=row.name,
                unique=row.is_unique,
                tail=_after_table(scope, row),
                traits=traits(row, with_options=False),
                attached_to=row.parent_name,
                is_partitioned=row.is_partitioned,
                keys=tuple(row.keys),
                predicate=row.predicate,
            ),
            row.reaches_out,
        )
        for part in _attachment(row):
            yield Found(part, row.reaches_out)


def _after_table(scope: Scope, row: Any) -> str:
    """The definition after `… ON table `, found by the exact text before it."""
    unique = "UNIQUE " if row.is_unique else ""
    only = "ONLY " if row.is_partitioned else ""
    head = f"CREATE {unique}INDEX {row.quoted_name} ON {only}{row.quoted_table} "
    return _between(row, head)


def _between(row: Any, head: str, tail: str = "") -> str:
    """The definition without the exact text that it begins and ends with."""
    definition = str(row.definition)
    if not (definition.startswith(head) and definition.endswith(tail)):
        raise ZanithError(f"PostgreSQL words {row.name} in an unknown way: {definition}")
    return definition[len(head) :].removesuffix(tail)


def extended_statistics(scope: Scope) -> Iterator[Found]:
    """Yield the statistics objects."""
    for row in scope.rows(queries.EXTENDED_STATISTICS):
        yield Found(
            ExtendedStatistics(
                schema=row.schema,
                name=row.name,
                body=_between(
                    row, f"CREATE STATISTICS {row.quoted_name} ", f" FROM {row.quoted_table}"
                ),
                owner=row.owner,
                target=row.target,
                comment=row.comment,
            ),
            row.reaches_out,
        )


@dataclass(frozen=True)
class FoundDefault:
    """A default or generation expression, and what it may do to a live INSERT."""

    part: Default | GeneratedExpression
    reaches_out: bool
    is_harmless: bool
    is_constant: bool
    generated: str


def defaults(scope: Scope) -> Iterator[FoundDefault]:
    """Yield defaults and generation expressions.

    A default is harmless when it can neither fail nor be noticed, nor keep another object from
    being dropped: constants, the clock and random UUIDs.
    """
    for row in scope.rows(queries.DEFAULTS):
        nodes = set(re.findall(r"\{([A-Z]+)", row.tree))
        constant = nodes <= {"CONST", "RELABELTYPE"} and not row.reaches_out
        calls_ok = "FUNCEXPR" not in nodes or bool(_HARMLESS_CALLS.match(row.expression))
        harmless = nodes <= _HARMLESS_NODES and calls_ok and not row.reaches_out
        part: Default | GeneratedExpression
        if row.generated:
            part = GeneratedExpression(row.column_name, row.type, row.expression)
        else:
            part = Default(row.column_name, row.expression)
        yield FoundDefault(part, row.reaches_out, harmless, constant, row.generated)


def lets_expression_change(scope: Scope) -> bool:
    """Whether the expression of a generated column can be replaced.

    PostgreSQL 17 brought that. A stored column is rewritten for it; a virtual one must not be in a
    table with check constraints (of other columns: its own go first) or with a publication.
    https://www.postgresql.org/docs/current/sql-altertable.html
    """
    if scope.version < 170000:
        return False
    if scope.column is not None and scope.column.generated != "v":
        return bar_to_rewriting(scope.connection, scope.relation) is None
    return bool(scope.rows(queries.LETS_EXPRESSION_CHANGE)[0].answer)


def not_null(scope: Scope, depth: int) -> Iterator[NotNull]:
    """Yield NOT NULL where the server does not know it as a constraint with a name."""
    if scope.column is not None and scope.column.not_null and scope.version < 180000:
        yield NotNull(scope.column.name, depth)


def _entries(found: list[Any]) -> tuple[GrantEntry, ...]:
    """Group privileges that were granted together, each after the grant that allowed it.

    Nothing where one was granted by a role that we cannot become.
    """
    if not all(row.is_ours for row in found):
        return ()
    grouped: list[GrantEntry] = []
    for row in found:
        entry = GrantEntry(row.grantee, (row.privilege,), row.grantable, row.grantor)
        if grouped and replace(grouped[-1], privileges=()) == replace(entry, privileges=()):
            entry = replace(entry, privileges=(*grouped.pop().privileges, row.privilege))
        grouped.append(entry)
    ordered: list[GrantEntry] = []
    while grouped:
        able = {None, *(entry.grantee for entry in ordered if entry.grantable)}
        following = next((entry for entry in grouped if entry.grantor in able), grouped[0])
        grouped.remove(following)
        ordered.append(following)
    return tuple(ordered)


def column_grants(scope: Scope) -> Iterator[ColumnGrants]:
    """Yield the privileges on columns, one part a column."""
    found = scope.rows(queries.column_grants(scope.version))
    for column in dict.fromkeys(row.column_name for row in found):
        entries = _entries([row for row in found if row.column_name == column])
        if entries:
            yield ColumnGrants("TABLE", None, column, entries)


def relation_grants(scope: Scope) -> Iterator[Grants]:
    """Yield the privileges of others on the table."""
    if entries := _entries(scope.rows(queries.relation_grants(scope.version))):
        yield Grants("TABLE", None, None, entries)


def sequence_grants(scope: Scope, sequence: Any) -> Iterator[Grants]:
    """Yield the privileges of others on an owned sequence."""
    found = rows(scope.connection, queries.relation_grants(scope.version), oid=sequence.oid)
    if entries := _entries(found):
        yield Grants("SEQUENCE", sequence.name, None, entries)


def owned_sequences(scope: Scope) -> list[Any]:
    """Return the sequences of serial and identity columns, as rows."""
    return scope.rows(queries.OWNED_SEQUENCES)


def table_parts(scope: Scope) -> Iterator[Part]:
    """Yield what leaves a parked table altogether: triggers, rules, policies, publications."""
    for row in scope.rows(queries.TRIGGERS):
        if not row.is_clone:
            yield Trigger(row.name, row.definition, row.state, row.comment)
        elif row.state != row.parent_state or row.state != "O":
            yield TriggerState(row.name, row.state)
    for row in scope.rows(queries.RULES):
        yield Rule(row.name, row.definition, row.state, row.comment)
    for row in scope.rows(queries.POLICIES):
        yield Policy(
            row.name,
            row.permissive,
            row.command,
            tuple(row.roles),
            row.using_expression,
            row.check_expression,
            row.comment,
        )
    for row in scope.rows(queries.publications(scope.version)):
        if row.is_ours:
            yield PublicationMembership(row.name, tuple(row.columns), row.filter)


def parents(scope: Scope) -> Iterator[PartitionOf | InheritsFrom]:
    """Yield the parents of a partition or inheriting table."""
    for row in scope.rows(queries.PARENTS):
        if row.bound is not None:
            yield PartitionOf(row.schema, row.name, row.bound, row.oid)
        else:
            yield InheritsFrom(row.schema, row.name, row.oid)
