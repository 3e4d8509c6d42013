"""The way back as SQL: the same steps for the command, for `inspect` and for `recovery_sql`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from alembic_zanith.artifacts import Artifact
from alembic_zanith.catalog.parts import Part, StandInType
from alembic_zanith.catalog.relation import Column
from alembic_zanith.errors import NotRestorableError
from alembic_zanith.identifiers import QualifiedName, literal, quote
from alembic_zanith.integrity import pinned_sql
from alembic_zanith.models import ArtifactKind, ArtifactStatus

from .definition import Definition, Holding
from .guard import guard


@dataclass(frozen=True)
class Step:
    """One step of a restore: its statements, and the part that they bring back, if one.

    `fill` is the SQL that the statements give to rows without a value.
    """

    statements: tuple[str, ...]
    relation: QualifiedName
    part: Part | None = None
    fill: str | None = None


@dataclass(frozen=True)
class Place:
    """Where something comes back: the table (for a column, the one it belongs to) and its name.

    `fill` is SQL for rows of an archived column that have no value.
    """

    relation: QualifiedName
    name: str
    fill: str | None = None


def default_place(artifact: Artifact) -> Place:
    """Return the place where it was."""
    name = artifact.source_column or artifact.source_table
    definition = Definition.from_json(artifact.definition)
    fill = definition.constant_default if artifact.kind is ArtifactKind.ARCHIVE_COLUMN else None
    return Place(artifact.source_name, name, fill)


def restore_steps(artifact: Artifact, place: Place) -> list[Step]:
    """Return the steps that bring an artifact back to a place.

    Raises `NotRestorableError` for a rebuilt table, which is kept for inspection only.
    """
    definition = Definition.from_json(artifact.definition)
    if artifact.kind is ArtifactKind.SOFT_DROP_COLUMN:
        return list(_soft_column(definition, place))
    if artifact.kind is ArtifactKind.ARCHIVE_COLUMN:
        return list(_archived_column(artifact, definition, place))
    if artifact.kind is ArtifactKind.REBUILD_TABLE:
        raise NotRestorableError(why_not_back(artifact))
    return list(_table(definition, place))


def why_not_back(artifact: Artifact) -> str:
    """Return why the old table of a rebuild is not brought back, and what can be done with it."""
    return (
        f"{artifact.source} does not come back from artifact {artifact.id}: it was rebuilt in "
        "another shape, and what is kept is the old table, for inspection and export. The new one "
        "has taken its place and the writes since, which would be lost. Nothing has changed. "
        f"`alembic zanith-recover inspect {artifact.id}` shows the old table, `alembic "
        f"zanith-recover export {artifact.id} --format csv` writes its rows to a file. To have the "
        "old shape again, rebuild the table once more, with the old columns and a select= for each "
        "that is to be worked out from the new ones."
    )


def _column_parts(definition: Definition, place: Place) -> Iterator[Step]:
    for holding, part in definition.parts():
        relation = place.relation if holding is definition.root else holding.name
        if statements := part.restore(relation):
            yield Step(tuple(statements), relation, part)


_RENAME_IN_INDEXES = """
DECLARE named pg_catalog.text;
BEGIN
  LOOP
    SELECT CAST(i.indexrelid AS regclass) INTO named
      FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indexrelid
     WHERE a.attname = {old}
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute taken
                        WHERE taken.attrelid = i.indexrelid AND taken.attname = {new})
     ORDER BY EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhrelid = i.indexrelid)
     LIMIT 1;
    EXIT WHEN named IS NULL;
    EXECUTE pg_catalog.format('ALTER TABLE %s RENAME COLUMN %I TO %I', named, {old}, {new});
  END LOOP;
END"""


def rename_column(definition: Definition, place: Place) -> Step:
    """Give the column its name, and its indexes too: their columns are not renamed along.

    An index of a partition follows that of its parent, so those come first.
    """
    old, new = str(definition.working_name), place.name
    indexes = _RENAME_IN_INDEXES.format(old=literal(old), new=literal(new))
    statements = (
        f"ALTER TABLE {place.relation} RENAME COLUMN {quote(old)} TO {quote(new)}",
        f"DO {literal(indexes)}",
    )
    return Step(statements, place.relation)


def _soft_column(definition: Definition, place: Place) -> Iterator[Step]:
    if definition.archiving is not None:
        yield Step((definition.archiving.giving_up,), place.relation)
    yield from _column_parts(definition, place)
    yield rename_column(definition, place)


def _archived_column(artifact: Artifact, definition: Definition, place: Place) -> Iterator[Step]:
    column = definition.column
    assert column is not None
    column = replace(column, name=str(definition.working_name))
    if definition.type_sql:
        yield Step(definition.type_sql, place.relation)
    add = f"ALTER TABLE {place.relation} ADD COLUMN {quote(column.name)}"
    if definition.generated_expression is not None:
        storage = "VIRTUAL" if column.generated == "v" else "STORED"
        add += f" {column.type}{collate(column.collation)}"
        add += f" GENERATED ALWAYS AS ({definition.generated_expression}) {storage}"
        yield Step((add,), place.relation)
    else:
        type_ = StandInType.of(column)
        add += f" {type_.base_type}{collate(type_.base_collation)}"
        statements = (add, *_refill(artifact, definition, type_, place))
        yield Step(statements, place.relation, fill=place.fill)
        if column.needs_stand_in:
            # Only now: a domain may refuse the NULLs of the moment in between, or of rows written
            # since, which is for the user to decide upon.
            yield Step(tuple(type_.restore(place.relation)), place.relation, type_)
    yield from _column_parts(definition, place)
    yield rename_column(definition, place)


def collate(collation: str | None) -> str:
    return f" COLLATE {collation}" if collation else ""


def as_assigned(fill: str, column: Column | None) -> str:
    """Return the SQL of a value as it goes into a column: cast, but not cut to its length.

    What is too long is then refused by the assignment, as in an UPDATE:
    https://www.postgresql.org/docs/current/typeconv-query.html
    """
    assert column is not None
    return f"CAST(({fill}) AS {column.bare_type or column.base_type or column.type})"


def _refill(
    artifact: Artifact, definition: Definition, column: StandInType, place: Place
) -> list[str]:
    """Fill the new column in one rewrite of the table, by looking every key up in the archive.

    Against UPDATE … FROM this leaves no dead rows, fires no trigger, and builds each index once.
    """
    name, type_ = quote(column.column), column.base_type
    lookup = QualifiedName(artifact.parked_schema, f"_zanith_lookup_{artifact.id}")
    known = QualifiedName(artifact.parked_schema, f"_zanith_known_{artifact.id}")
    parameters = ", ".join(
        "text" if key.stored_as_text else f"{place.relation}.{quote(key.name)}%TYPE"
        for key in definition.lookup_key
    )
    arguments = ", ".join(key.live(quote(key.name)) for key in definition.lookup_key)
    where = " AND ".join(f"a.key_{i} = ${i}" for i, _ in enumerate(definition.lookup_key, 1))
    archive = artifact.parked_name
    value = f"{lookup}({arguments})"
    body = f"BEGIN RETURN (SELECT a.value FROM {archive} AS a WHERE {where}); END"
    statements = [
        f"CREATE FUNCTION {lookup}({parameters}) RETURNS {archive}.value%TYPE"
        f" LANGUAGE plpgsql STABLE AS {literal(body)}"
    ]
    if place.fill is not None:
        body = f"BEGIN RETURN EXISTS (SELECT FROM {archive} AS a WHERE {where}); END"
        statements.append(
            f"CREATE FUNCTION {known}({parameters}) RETURNS boolean"
            f" LANGUAGE plpgsql STABLE AS {literal(body)}"
        )
        value = (
            f"CASE WHEN {known}({arguments}) THEN CAST({value} AS {type_})"
            f" ELSE {as_assigned(place.fill, definition.column)} END"
        )
    else:
        value = f"CAST({value} AS {type_})"
    statements.append(
        f"ALTER TABLE {place.relation} ALTER COLUMN {name} TYPE {type_}"
        f"{collate(column.base_collation)} USING {value}"
    )
    statements.append(f"DROP FUNCTION {lookup}")
    if place.fill is not None:
        statements.append(f"DROP FUNCTION {known}")
    return statements


def _table(definition: Definition, place: Place) -> Iterator[Step]:
    for holding, part in definition.parts():
        statements = part.restore(holding.parked)
        if statements and not part.needs_final_name:
            yield Step(tuple(statements), holding.parked, part)
    for holding in definition.holdings:
        if not holding.has_moved:
            continue
        target = _target(holding, definition, place)
        yield Step(tuple(_return(holding, target)), target)
    for holding, part in definition.parts():
        if part.needs_final_name:
            target = _target(holding, definition, place)
            if statements := part.restore(target):
                yield Step(tuple(statements), target, part)


def _target(holding: Holding, definition: Definition, place: Place) -> QualifiedName:
    return place.relation if holding is definition.root else holding.name


def _return(holding: Holding, target: QualifiedName) -> Iterator[str]:
    moved = QualifiedName(target.schema, holding.parked.name)
    if holding.parked.schema != target.schema:
        yield f"ALTER TABLE {holding.parked} SET SCHEMA {quote(target.schema)}"
    yield f"ALTER TABLE {moved} RENAME TO {quote(target.name)}"


def script(artifact: Artifact, steps: list[Step], bookkeeping: QualifiedName) -> str:
    """Return the steps as one script for psql, in one transaction, the artifact row included."""
    lines = [
        _comment(f"Brings back {artifact.source}, parked as {artifact.parked}."),
        "-- Run it with psql -v ON_ERROR_STOP=1; it is one transaction: all of it or nothing.",
        "BEGIN;",
        *(f"{statement};" for statement in pinned_sql()),
        *(f"{statement};" for statement in guard(artifact, bookkeeping)),
        *(f"{statement};" for step in steps for statement in step.statements),
        f"UPDATE {bookkeeping} SET status = {literal(ArtifactStatus.RESTORED)},"
        f" restored_at = pg_catalog.now(){_report(artifact)} WHERE id = {literal(artifact.id)};",
        "COMMIT;",
    ]
    return "\n".join(lines) + "\n"


def _report(artifact: Artifact) -> str:
    """Note the number that an archived column came back with: it may be the key of others."""
    if artifact.kind is not ArtifactKind.ARCHIVE_COLUMN:
        return ""
    number = (
        "SELECT attnum FROM pg_attribute"
        f" WHERE attrelid = to_regclass({literal(str(artifact.source_name))})"
        f" AND attname = {literal(str(artifact.source_column))}"
    )
    return f", restore_report = jsonb_build_object('column_number', ({number}))"


def _comment(text: str) -> str:
    """Return a comment of one line, whatever line breaks are in the names that it speaks of."""
    return "-- " + text.replace("\r", " ").replace("\n", " ")


def recovery_sql(artifact: Artifact, bookkeeping: QualifiedName) -> str:
    """Return the script that brings an artifact back to where it was."""
    if artifact.kind is ArtifactKind.REBUILD_TABLE:
        return _looking_at(artifact)
    return script(artifact, restore_steps(artifact, default_place(artifact)), bookkeeping)


def _looking_at(artifact: Artifact) -> str:
    """Return a script that shows the old table of a rebuild, which nothing brings back."""
    lines = [
        _comment(f"{artifact.source} was rebuilt; its old rows are in {artifact.parked}."),
        "-- The old table is kept for inspection and export and is not brought back: the new one",
        "-- has its place, and the writes since.",
        f"SELECT * FROM {artifact.parked_name};",
    ]
    return "\n".join(lines) + "\n"
