"""What an online restore goes by, looked at again and again: others may change it meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field

from alembic_zanith.artifacts import Artifact, ArtifactStore
from alembic_zanith.catalog.relation import Relation, columns
from alembic_zanith.catalog.unique_keys import unique_keys
from alembic_zanith.errors import (
    KeyChangedError,
    NotOnlineError,
    UnknownObjectError,
    UnusableKeyError,
)
from alembic_zanith.identifiers import display_name
from alembic_zanith.movement.keys import choose_key
from alembic_zanith.recovery.definition import Definition
from alembic_zanith.recovery.keys import require_key
from alembic_zanith.sql import rows, run, scalar

from .beginning import Terms
from .failing import GOES_ON
from .triggers import why_fired

_STAMP = """
WITH RECURSIVE members (oid) AS (
     SELECT CAST(:oid AS oid)
      UNION
     SELECT h.inhrelid FROM members JOIN pg_catalog.pg_inherits h ON h.inhparent = members.oid)
SELECT CAST(ARRAY[
         CAST(CAST(pg_catalog.to_regclass(:name) AS oid) AS text),
         (SELECT pg_catalog.string_agg(
                   pg_catalog.format('%s %s %s', a.attname, a.attnum, a.atttypid), ',' ORDER BY 1)
            FROM pg_catalog.pg_attribute a
           WHERE a.attrelid = CAST(:oid AS oid) AND NOT a.attisdropped
             AND CAST(a.attname AS text) = ANY (CAST(:columns AS text[]))),
         (SELECT pg_catalog.string_agg(
                   pg_catalog.format('%s %s', i.indexrelid, i.indkey), ',' ORDER BY 1)
            FROM pg_catalog.pg_index i
           WHERE i.indrelid = CAST(:oid AS oid) AND i.indisunique AND i.indisvalid
             AND i.indimmediate),
         (SELECT pg_catalog.string_agg(
                   pg_catalog.format('%s %s', t.oid, t.tgenabled), ',' ORDER BY 1)
            FROM pg_catalog.pg_trigger t JOIN members m ON m.oid = t.tgrelid
           WHERE NOT t.tgisinternal),
         (SELECT pg_catalog.string_agg(
                   pg_catalog.format('%s %s', r.oid, r.ev_enabled), ',' ORDER BY 1)
            FROM pg_catalog.pg_rewrite r WHERE r.ev_class = CAST(:oid AS oid))
       ] AS text) AS stamp
"""
"""A text that is another as soon as a key, a trigger or a rule of the table is."""


@dataclass
class Standing:
    """The key and the triggers of the table of an online restore, as they were when it began.

    A look costs two short statements. Only where anything is another than at the last one is it
    told apart what of it matters.
    """

    store: ArtifactStore
    artifact: Artifact
    relation: Relation
    definition: Definition
    terms: Terms
    force: bool
    _stamp: str | None = field(default=None, init=False)
    _numbers: dict[str, int] = field(default_factory=dict, init=False)

    def require(self) -> None:
        """Make sure of it until the transaction ends: the lock keeps others from changing it.

        Raises `KeyChangedError`, and `NotOnlineError` for what a batch would fire.
        """
        run(self.store.connection, f"LOCK TABLE {self.relation.name} IN ROW EXCLUSIVE MODE")
        stamp = self._stamp_now()
        if stamp != self._stamp:
            self._require_key()
            self._require_no_trigger()
            self._stamp = stamp

    def require_anew(self) -> None:
        """Do so whatever the last look has seen."""
        self._stamp = None
        self.require()

    @property
    def _columns(self) -> list[str]:
        lookup = (key.name for key in self.definition.lookup_key)
        return sorted({*lookup, *self.terms.key.names})

    def _stamp_now(self) -> str:
        (found,) = rows(
            self.store.connection,
            _STAMP,
            oid=self.relation.oid,
            name=str(self.relation.name),
            columns=[*self._columns, str(self.definition.working_name)],
        )
        return str(found.stamp)

    def _require_key(self) -> None:
        connection, table = self.store.connection, self.relation.name.display
        present = {column.name: column.number for column in columns(connection, self.relation)}
        if not self._has_its_name():
            raise KeyChangedError(
                f"{self._stopped}: {table} has another name by now, or is gone. What was done "
                f"before stays. {GOES_ON}"
            )
        if str(self.definition.working_name) not in present:
            raise KeyChangedError(
                f"{self._stopped}: the column that it had made in {table} was dropped by another "
                "session. Run it again to begin anew."
            )
        try:
            require_key(self.store, self.artifact, self.definition, self.relation, force=self.force)
        except (KeyChangedError, UnknownObjectError) as error:
            said = str(error).replace("Nothing has changed", "What was done before stays")
            raise KeyChangedError(f"{self._stopped}: {said.rstrip('.')}. {GOES_ON}") from error
        numbers = {name: present[name] for name in self._columns if name in present}
        if not self._has_keys() or (self._numbers or numbers) != numbers:
            names = ", ".join(map(display_name, self._columns))
            raise KeyChangedError(
                f"{self._stopped}: the key of {table} ({names}) was changed by another session. "
                f"What was done before stays. {GOES_ON}"
            )
        self._numbers = numbers

    def _has_its_name(self) -> bool:
        found = scalar(
            self.store.connection,
            "SELECT CAST(pg_catalog.to_regclass(:name) AS oid)",
            name=str(self.relation.name),
        )
        return bool(found == self.relation.oid)

    def _has_keys(self) -> bool:
        """Whether rows are walked and found by what they were before, each by one of its own."""
        key, connection = self.terms.key, self.store.connection
        lookup = {each.name for each in self.definition.lookup_key}
        try:
            if choose_key(connection, self.relation, wanted=key.names) != key:
                return False
        except UnusableKeyError:
            return False
        return any({*each.columns} <= lookup for each in unique_keys(connection, self.relation))

    def _require_no_trigger(self) -> None:
        fires_none = self.terms.sending.fires_none
        reason = why_fired(self.store.connection, self.relation, prevented=fires_none)
        if reason is not None:
            raise NotOnlineError(
                f"{self._stopped}: {reason}. What was done before stays. {GOES_ON}"
            )

    @property
    def _stopped(self) -> str:
        return f"The online restore of {self.artifact.source} stopped"
