"""A drop and an add that may be one rename: offered to the user, never guessed.

Where nobody says that it was one, the drop and the add stay as they are, and the rename stands
beside them as a comment.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from alembic.operations.ops import (
    CreateTableOp,
    MigrateOperation,
    ModifyTableOps,
    UpgradeOps,
)

from alembic_zanith.config import DetectRenames, settings_of
from alembic_zanith.hooks import writes_a_revision
from alembic_zanith.identifiers import display_name

from .asking import Ask, somebody_to_ask
from .candidates import Candidate, column_renames, table_renames
from .catalog import Catalog
from .following import Changes, Following, what_follows
from .rename_operations import Note, NotedCreateTableOp, NotedTableOps, RenameTable
from .rewriting import rewrite_drop, rewrite_dropped_tables
from .shapes import Shapes
from .swap import swap_drops

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext

_WIDTH = 90


def offer_renames(context: AutogenContext, upgrade_ops: UpgradeOps) -> None:
    """Ask about each drop and add that may be one rename, or note that it may be.

    Only where a revision is written: `alembic check` and `compare_metadata` find what they ever
    have. Raises `ZanithError` where a question is left without an answer.
    """
    wanted = settings_of(context.migration_context).detect_renames
    if wanted is DetectRenames.OFF or not writes_a_revision(context.migration_context):
        return
    assert context.connection is not None
    catalog = Catalog(context.connection, context.dialect.default_schema_name or "public")
    ask = somebody_to_ask() if wanted is DetectRenames.ASK else None
    offers = _Offers(context, upgrade_ops.ops, Shapes(context, catalog), ask)
    offers.make(table_renames(upgrade_ops.ops, offers.shapes))
    offers.make(column_renames(upgrade_ops.ops, offers.shapes))


class _Offers:
    """Puts renames into the list of operations, with those that run first at its start."""

    def __init__(
        self,
        context: AutogenContext,
        operations: list[MigrateOperation],
        shapes: Shapes,
        ask: Ask | None,
    ) -> None:
        self.context = context
        self.operations = operations
        self.shapes = shapes
        self.ask = ask
        self.front = 0

    def make(self, candidates: Sequence[Candidate]) -> None:
        """Go through the pairs, each column and table in one rename at most."""
        if not candidates:
            return
        used: set[tuple[object, ...]] = set()
        refused: list[Candidate] = []
        changes = Changes(self.operations, self.shapes)
        waiting = list(candidates)
        while (found := self._next(waiting, changes, used)) is not None:
            waiting = waiting[waiting.index(found) + 1 :]
            if self.ask is None or not self.ask(found.question):
                refused.append(found)
                continue
            used |= found.ends
            self._rename(found, what_follows(changes, found.names, found.inside))
            # Now another pair may fit, such as that of a table which refers to the first.
            changes = Changes(self.operations, self.shapes)
            waiting = [each for each in candidates if each is not found and each not in refused]
        for candidate in refused:
            if not candidate.ends & used and candidate.fits(changes, alone=True):
                used |= candidate.ends
                self._note(candidate, what_follows(changes, candidate.names, candidate.inside))

    def _next(
        self, waiting: Sequence[Candidate], changes: Changes, used: set[tuple[object, ...]]
    ) -> Candidate | None:
        alone = self.ask is None
        return next(
            (
                candidate
                for candidate in waiting
                if not candidate.ends & used and candidate.fits(changes, alone=alone)
            ),
            None,
        )

    def _rename(self, candidate: Candidate, following: Following) -> None:
        """Put the rename in place of all that it makes needless, which becomes the comment."""
        needless = [each.operation for each in following.needless]
        instead = UpgradeOps(self._taken([*candidate.replaced, *needless]))
        swap_drops(self.context, instead)
        for drop in following.staying:
            rewrite_drop(drop, candidate.names, self.shapes)
        rewrite_dropped_tables(self.operations, candidate.names, self.shapes)
        for operation in self.operations:
            if isinstance(operation, ModifyTableOps):
                table = self.shapes.catalog.table(operation.schema, operation.table_name)
                operation.table_name = candidate.names.table(table)[1]
        sentence = f"Answered: {candidate.sentence}. If not, put this in its place:"
        first, *others = candidate.renaming()
        _add_note(first, Note(_wrapped(sentence), tuple(instead.ops)))
        renaming = [first, *others, *following.renames]
        self.operations[self.front : self.front] = renaming
        self.front += len(renaming)

    def _taken(self, wanted: Sequence[MigrateOperation]) -> list[MigrateOperation]:
        """Take operations out of the list, and return them as a list of the same kind."""
        gone = {id(operation) for operation in wanted}
        taken: list[MigrateOperation] = []
        kept: list[MigrateOperation] = []
        for operation in self.operations:
            if id(operation) in gone:
                taken.append(operation)
                continue
            if isinstance(operation, ModifyTableOps):
                inside = [each for each in operation.ops if id(each) in gone]
                operation.ops[:] = [each for each in operation.ops if id(each) not in gone]
                if inside:
                    name, schema = operation.table_name, operation.schema
                    taken.append(ModifyTableOps(name, inside, schema=schema))
                if operation.is_empty():
                    continue
            kept.append(operation)
        self.operations[:] = kept
        return taken

    def _note(self, candidate: Candidate, following: Following) -> None:
        """Write the rename as a comment above the operation that adds what is new."""
        if following.staying:
            # More would have to be put in place than one sentence can say.
            return
        note = Note(_advice(candidate, following), (*candidate.renaming(), *following.renames))
        _, add = candidate.replaced
        for position, operation in enumerate(self.operations):
            if operation is add and isinstance(operation, CreateTableOp):
                self.operations[position] = NotedCreateTableOp.of(operation, note)
            elif isinstance(operation, ModifyTableOps) and any(
                each is add for each in operation.ops
            ):
                noted = NotedTableOps.of(operation)
                _add_note(noted, note)
                self.operations[position] = noted


def _add_note(operation: MigrateOperation, note: Note) -> None:
    if isinstance(operation, NotedTableOps):
        operation.notes = (*operation.notes, note)
    else:
        assert isinstance(operation, RenameTable)
        operation.note = note


def _advice(candidate: Candidate, following: Following) -> str:
    place = "all that is done to the two"
    own = {candidate.table, candidate.names.table(candidate.table)}
    others = {each.table for each in following.needless} - own
    if others:
        listed = ", ".join(sorted(display_name(name) for _, name in others))
        place += f", and to the foreign keys of {listed} that point at them"
    return _wrapped(f"If {candidate.sentence}, put this in place of {place}:")


def _wrapped(sentence: str) -> str:
    return textwrap.fill(sentence, _WIDTH, break_long_words=False, break_on_hyphens=False)
