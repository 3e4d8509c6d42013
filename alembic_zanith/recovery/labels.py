"""Enum labels: what is parked apart from the live type is told by them, and they can be renamed."""

from __future__ import annotations

from sqlalchemy import Connection

from alembic_zanith.artifacts import Artifact
from alembic_zanith.catalog.type_shapes import changed_label
from alembic_zanith.errors import LabelChangedError
from alembic_zanith.identifiers import literal
from alembic_zanith.sql import run

from .carriers import known_oid
from .definition import Definition


def require_labels(connection: Connection, artifact: Artifact, definition: Definition) -> None:
    """Make sure that labels of parked values and archived keys still mean what they meant.

    In another database their OIDs mean nothing, so that labels are taken as they are there.

    Raises `LabelChangedError` where one has another name by now.
    """
    query = changed_label(definition.enums)
    if query is None or known_oid(connection, artifact) is None:
        return
    found = run(connection, query).one_or_none()
    if found is None:
        return
    changed = f"is called {found.now!r} by now"
    mend = "Rename it back"
    if found.now is None:
        changed = f"is missing from the type {found.type} that has been made since"
        mend = "Add it"
    what = "rows are found" if found.is_key else "values are kept"
    raise LabelChangedError(
        f"{artifact.source} cannot come back by itself: its {what} by the labels of the type "
        f"{found.type} as they were, and {found.was!r} {changed}. Nothing has changed, and what is "
        f"parked is intact. {mend} for the restore, or take the labels as they are with --force "
        "(in a revision: force=True); `alembic zanith-recover export "
        f"{artifact.id} --format csv` shows the values."
    )


def labels_guard(artifact: Artifact, definition: Definition, here: str | None) -> list[str]:
    """Return the statement that stops a script where the command would refuse, if there is any."""
    query = changed_label(definition.enums)
    if query is None or here is None:
        return []
    noun = "column" if artifact.is_column else "table"
    force = f"run alembic zanith-recover restore-{noun} {artifact.id} --force"
    renamed = literal(
        f"the label %L of the type %s is called %L by now: rename it back, or {force}"
    )
    missing = literal(
        f"the label %L is missing from the type %s that has been made since: add it, or {force}"
    )
    body = (
        f"DECLARE changed record; BEGIN IF NOT {here} THEN RETURN; END IF; {query} INTO changed;"
        " IF FOUND THEN RAISE EXCEPTION USING MESSAGE = format("
        f"CASE WHEN changed.now IS NULL THEN {missing} ELSE {renamed} END,"
        " changed.was, changed.type, changed.now); END IF; END"
    )
    return [f"DO {literal(body)}"]
