"""What will be parked is brought back once, and the way back is gone once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from alembic.operations.ops import DropColumnOp, DropTableOp
from sqlalchemy.exc import SQLAlchemyError

from alembic_zanith.artifacts import Artifact, ArtifactStore
from alembic_zanith.catalog.relation import columns, find_relation
from alembic_zanith.errors import ZanithError
from alembic_zanith.failures import reason_of
from alembic_zanith.integrity import content, pinned_settings
from alembic_zanith.models import ArtifactKind
from alembic_zanith.operations.archive_column import ArchiveColumnOp
from alembic_zanith.operations.archive_table import ArchiveTableOp
from alembic_zanith.operations.reshape import ReshapeOperation
from alembic_zanith.operations.soft_drop_column import SoftDropColumnOp
from alembic_zanith.operations.soft_drop_table import SoftDropTableOp
from alembic_zanith.recovery import restore_column, restore_table
from alembic_zanith.redaction import without_passwords
from alembic_zanith.snapshots import Difference, Snapshot, differences
from alembic_zanith.sql import is_autocommit
from alembic_zanith.steps import Step
from alembic_zanith.steps.events import heard_by
from alembic_zanith.verification import Finding, FindingKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from alembic_zanith.workspace import Workspace

_PARKS = (SoftDropColumnOp, SoftDropTableOp, ArchiveColumnOp, ArchiveTableOp, ReshapeOperation)
_MAY_PARK = (*_PARKS, DropColumnOp, DropTableOp)
_SHOWN = 3


@dataclass(frozen=True)
class _Image:
    """The schema and the rows of the table that something is parked of.

    `adds` tells that the operation makes columns of its own, which are there afterwards; then the
    rows are of its old columns alone, as triggers may write others while it fills the new ones.
    """

    schema: Snapshot
    rows: str | None
    columns: tuple[str, ...] = ()
    adds: bool = False


class Restores:
    """Brings back each artifact as soon as it is made, compares, and takes that back again.

    A listener of `Steps`; what it asks and does is not heard as the script's.
    """

    def __init__(
        self, connection: Connection, workspace: Workspace, snapshot: Callable[[], Snapshot]
    ) -> None:
        self._connection = connection
        self._workspace = workspace
        self._snapshot = snapshot
        self._before: _Image | None = None
        self._revision = ""
        self._known = set[str]()
        self.rehearsed = 0
        self.findings = list[Finding]()

    def begin(self, revision: str) -> None:
        """Begin with a revision."""
        self._revision = revision
        with heard_by(None):
            self._known = {each.id for each in self._artifacts()}

    def began(self, step: Step) -> None:
        """Keep what there is before something may be parked."""
        self._before = None
        if isinstance(step.source, _MAY_PARK) and not is_autocommit(self._connection):
            source: Any = step.source
            with heard_by(None):
                if isinstance(source, ReshapeOperation):
                    image = self._image(source.schema, source.table_name, source.sources)
                    self._before = replace(image, adds=True)
                else:
                    self._before = self._image(source.schema, source.table_name)

    def sending(self, step: Step, statement: str) -> None:
        """Hear of a statement."""

    def ended(self, step: Step) -> None:
        """Bring back what was parked, and compare."""
        before, self._before = self._before, None
        if before is None or step.error is not None:
            return
        with heard_by(None):
            # The newest first, as they come back.
            made = [each for each in self._artifacts() if each.id not in self._known]
            self._known.update(each.id for each in made)
            # The old table of a rebuild is kept to be looked at, and never comes back.
            made = [each for each in made if each.kind is not ArtifactKind.REBUILD_TABLE]
            if before.adds:
                self._rehearse(made, before)
            else:
                for artifact in made:
                    self._rehearse([artifact], before)

    def _artifacts(self) -> list[Artifact]:
        return ArtifactStore(self._connection, self._workspace).all()

    def _image(self, schema: str | None, table: str, names: Sequence[str] | None = None) -> _Image:
        relation = find_relation(self._connection, table, schema)
        rows = None
        if relation is not None:
            present = {each.name for each in columns(self._connection, relation)}
            names = sorted(present if names is None else present.intersection(names))
            with pinned_settings(self._connection):
                rows = content(self._connection, relation.name, names).checksum
        return _Image(self._snapshot(), rows, tuple(names or ()))

    def _rehearse(self, artifacts: Sequence[Artifact], before: _Image) -> None:
        """Bring back all that one operation has parked, and compare."""
        self.rehearsed += len(artifacts)
        savepoint = self._connection.begin_nested()
        try:
            for artifact in artifacts:
                restore = restore_column if artifact.is_column else restore_table
                restore(self._connection, artifact.id, workspace=self._workspace)
            for artifact in artifacts[:1]:
                names = before.columns if before.adds else None
                after = self._image(artifact.source_schema, artifact.source_table, names)
                self.findings += self._compared(artifact, before, after)
        except (ZanithError, SQLAlchemyError) as error:
            self._note(artifact, f"does not come back: {reason_of(error)}")
        finally:
            savepoint.rollback()

    def _compared(self, artifact: Artifact, before: _Image, after: _Image) -> Iterator[Finding]:
        found = differences(before.schema, after.schema)
        if before.adds:
            found = tuple(each for each in found if each.before is not None)
        if found:
            yield self._finding(artifact, f"comes back, but not as it was: {in_words(found)}")
        elif before.rows != after.rows:
            yield self._finding(artifact, "comes back, but its rows are not what they were")

    def _note(self, artifact: Artifact, what: str) -> None:
        self.findings.append(self._finding(artifact, what))

    def _finding(self, artifact: Artifact, what: str) -> Finding:
        text = without_passwords(f"What is parked of {artifact.source} {what}.")
        return Finding(FindingKind.RESTORE_DIFFERS, text, self._revision)


def in_words(found: Sequence[Difference]) -> str:
    """Name the first differences, and how many more there are."""
    shown = "; ".join(described(each) for each in found[:_SHOWN])
    more = len(found) - _SHOWN
    return without_passwords(f"{shown}; and {more} more" if more > 0 else shown)


def described(difference: Difference) -> str:
    """Return a difference in one line."""
    what = f"{difference.kind} {difference.name}"
    match difference.before, difference.after:
        case None, after:
            return f"{what} is new ({after})" if after else f"{what} is new"
        case before, None:
            return f"{what} is gone ({before})"
        case before, after:
            return f"{what} was {before} and is {after}"
