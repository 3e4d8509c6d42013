"""What a TARGET means: one spelling means one source, whatever became of its artifacts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from .errors import AmbiguousTargetError, UnknownObjectError, did_you_mean
from .identifiers import display_name, target_parts

if TYPE_CHECKING:
    from .artifacts import Artifact

SHORTEST_ID_PREFIX = 4


def named(
    artifacts: Sequence[Artifact], target: str, current_schema: Callable[[], str]
) -> list[Artifact]:
    """Return the artifacts of the one source, or the one artifact, that a target names.

    All of them have to be given, whatever their status: a name that is looked up among some would
    mean another source as soon as the first one's are restored. Where the schema is left out, the
    current one counts first.

    Raises `UnknownObjectError`, with the close names, and `AmbiguousTargetError`.
    """
    if exact := [artifact for artifact in artifacts if artifact.id == target]:
        return exact
    found = matching(artifacts, target)
    if not found:
        return [_by_prefix(artifacts, target)]
    if len({artifact.is_column for artifact in found}) > 1:
        raise _ambiguous(target, found, "Give the id of one.")
    if len(sources(found)) > 1:
        schema = current_schema()
        current = [artifact for artifact in found if artifact.source_schema == schema]
        if len(sources(current)) != 1:
            raise _ambiguous(target, found, "Write the schema too.")
        return current
    return found


def named_exactly(artifacts: Sequence[Artifact], target: str) -> list[Artifact]:
    """Return what a target names where a mistake could not be undone.

    Nothing is guessed then: letter case counts, and a name that fits several sources, or is the
    beginning of an id as well, is refused.

    Raises `UnknownObjectError` and `AmbiguousTargetError`.
    """
    if exact := [artifact for artifact in artifacts if artifact.id == target]:
        return exact
    found = matching(artifacts, target, fold=False)
    if not found:
        return [_by_prefix(artifacts, target)]
    found_by_id = [a for a in artifacts if _has_prefix(a, target) and a not in found]
    if len(sources(found)) > 1 or found_by_id:
        raise _ambiguous(target, [*found, *found_by_id], "Give the id of one.")
    return found


def matching(artifacts: Collection[Artifact], target: str, *, fold: bool = True) -> list[Artifact]:
    """Return those artifacts whose source is named by `target`, in the order given.

    Exact spelling wins; where nothing has it, unquoted parts mean the name in lower case, as in
    SQL, unless `fold` is off:
    https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
    """
    parts = target_parts(target)
    exact = [part.name for part in parts]
    found = _ending_in(artifacts, exact)
    if fold and not found:
        folded = [part.name if part.is_quoted else part.name.lower() for part in parts]
        found = _ending_in(artifacts, folded)
    return found


def sources(artifacts: Collection[Artifact]) -> set[tuple[str, ...]]:
    """Return the different sources of artifacts."""
    return {names(artifact) for artifact in artifacts}


def names(artifact: Artifact) -> tuple[str, ...]:
    """Return schema, table and, of a column, its name."""
    table = (artifact.source_schema, artifact.source_table)
    return table if artifact.source_column is None else (*table, artifact.source_column)


def full_source(artifact: Artifact) -> str:
    """Return the source with its schema always written: `public.users.legacy_uuid`."""
    return ".".join(display_name(name) for name in names(artifact))


def _ending_in(artifacts: Collection[Artifact], wanted: Sequence[str]) -> list[Artifact]:
    return [
        artifact
        for artifact in artifacts
        if list(names(artifact)[-len(wanted) :]) == list(wanted)
        and len(wanted) >= (2 if artifact.is_column else 1)
    ]


def _has_prefix(artifact: Artifact, text: str) -> bool:
    return len(text) >= SHORTEST_ID_PREFIX and artifact.id.startswith(text.lower())


def _by_prefix(artifacts: Sequence[Artifact], target: str) -> Artifact:
    found = [artifact for artifact in artifacts if _has_prefix(artifact, target)]
    if len(found) > 1:
        listing = ", ".join(f"{each.id} ({each.source})" for each in found)
        raise AmbiguousTargetError(
            f"{target!r} fits several artifacts: {listing}. Give more of the id."
        )
    if found:
        return found[0]
    hint = did_you_mean(target, {name for each in artifacts for name in (each.source, each.id)})
    if not artifacts:
        hint = " Nothing is parked in this database."
    elif not hint:
        hint = " `alembic zanith-recover list` shows what is there."
    raise UnknownObjectError(f"No artifact is named {target!r}.{hint}")


def _ambiguous(target: str, found: Collection[Artifact], advice: str) -> AmbiguousTargetError:
    by_source: dict[str, list[str]] = {}
    for artifact in found:
        what = "column" if artifact.is_column else "table"
        by_source.setdefault(f"{what} {full_source(artifact)}", []).append(artifact.id)
    options = (f"{source} ({', '.join(ids)})" for source, ids in sorted(by_source.items()))
    return AmbiguousTargetError(f"{target!r} fits several sources: {', '.join(options)}. {advice}")
