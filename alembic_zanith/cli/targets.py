"""Finding which database of a project a TARGET is in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from alembic_zanith.artifacts import Artifact
from alembic_zanith.errors import AmbiguousTargetError, UnknownObjectError

from .project import Database, Project

Find = Callable[[Database], Artifact]


@dataclass(frozen=True)
class Located:
    """An artifact, the label of its database, and whether the project has several databases."""

    artifact: Artifact
    database: str
    one_of_several: bool


def locate(project: Project, target: str, find: Find, only: str | None) -> Located:
    """Return the artifact that a target names, in whichever database it is.

    `find` looks in one database. Nothing is changed yet, so that a name that fits in several
    databases is refused before anything has happened in the first of them.

    Raises `UnknownObjectError`, and `AmbiguousTargetError` for a target in several databases.
    """

    def look(database: Database) -> Artifact | UnknownObjectError | AmbiguousTargetError:
        try:
            return find(database)
        except (UnknownObjectError, AmbiguousTargetError) as error:
            return error

    found = project.visit(look, only)
    hits = {
        label: result
        for label, result in found.items()
        if not isinstance(result, UnknownObjectError)
    }
    if len(hits) > 1:
        raise AmbiguousTargetError(
            f"{target!r} is parked in several databases: {', '.join(hits)}. "
            "Choose one with --database."
        )
    if not hits and len(found) > 1:
        raise UnknownObjectError(_nowhere(target, found))
    ((label, result),) = (hits or found).items()
    if not isinstance(result, Artifact):
        raise result
    return Located(result, label, len(found) > 1)


def _nowhere(target: str, found: Mapping[str, object]) -> str:
    said = " ".join(f"{label}: {error}" for label, error in found.items())
    return f"{target!r} is parked in none of the databases. {said}"
