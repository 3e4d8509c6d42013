"""Parts that only a whole table has: triggers, rules, policies, publications, parents."""

from __future__ import annotations

from dataclasses import dataclass

from alembic_zanith.identifiers import QualifiedName, quote

from .parts import Part, comment_on

_TRIGGER_STATES = {
    "D": "DISABLE TRIGGER",
    "R": "ENABLE REPLICA TRIGGER",
    "A": "ENABLE ALWAYS TRIGGER",
    "O": "ENABLE TRIGGER",
}
_RULE_STATES = {
    "D": "DISABLE RULE",
    "R": "ENABLE REPLICA RULE",
    "A": "ENABLE ALWAYS RULE",
}


@dataclass(frozen=True)
class Trigger(Part):
    """A trigger; gone while parked, so that its function can be dropped."""

    kind = "trigger"
    order = 62
    name: str
    definition: str
    state: str = "O"
    comment: str | None = None

    def park(self, relation: QualifiedName) -> list[str]:
        return [f"DROP TRIGGER {quote(self.name)} ON {relation}"]

    def restore(self, relation: QualifiedName) -> list[str]:
        statements = [self.definition]
        if self.state != "O":
            statements.append(
                f"ALTER TABLE {relation} {_TRIGGER_STATES[self.state]} {quote(self.name)}"
            )
        return statements + comment_on(f"TRIGGER {quote(self.name)} ON {relation}", self.comment)


@dataclass(frozen=True)
class TriggerState(Part):
    """The enabled state of a trigger that a partition has from its parent, where it differs."""

    kind = "trigger_state"
    order = 63
    needs_final_name = True
    name: str
    state: str

    def park(self, relation: QualifiedName) -> list[str]:
        return []

    def restore(self, relation: QualifiedName) -> list[str]:
        return [f"ALTER TABLE ONLY {relation} {_TRIGGER_STATES[self.state]} {quote(self.name)}"]


@dataclass(frozen=True)
class Rule(Part):
    """A rewrite rule."""

    kind = "rule"
    order = 61
    name: str
    definition: str
    state: str = "O"
    comment: str | None = None

    def park(self, relation: QualifiedName) -> list[str]:
        return [f"DROP RULE {quote(self.name)} ON {relation}"]

    def restore(self, relation: QualifiedName) -> list[str]:
        statements = [self.definition.rstrip().rstrip(";")]
        if self.state != "O":
            statements.append(
                f"ALTER TABLE {relation} {_RULE_STATES[self.state]} {quote(self.name)}"
            )
        return statements + comment_on(f"RULE {quote(self.name)} ON {relation}", self.comment)


@dataclass(frozen=True)
class Policy(Part):
    """A row-level security policy. `roles` are quoted names, PUBLIC included."""

    kind = "policy"
    order = 64
    name: str
    permissive: bool
    command: str
    roles: tuple[str, ...]
    using: str | None
    check: str | None
    comment: str | None = None

    def park(self, relation: QualifiedName) -> list[str]:
        return [f"DROP POLICY {quote(self.name)} ON {relation}"]

    def restore(self, relation: QualifiedName) -> list[str]:
        clauses = [
            f"CREATE POLICY {quote(self.name)} ON {relation}",
            f"AS {'PERMISSIVE' if self.permissive else 'RESTRICTIVE'}",
            f"FOR {self.command} TO {', '.join(self.roles)}",
        ]
        if self.using is not None:
            clauses.append(f"USING ({self.using})")
        if self.check is not None:
            clauses.append(f"WITH CHECK ({self.check})")
        comment = comment_on(f"POLICY {quote(self.name)} ON {relation}", self.comment)
        return [" ".join(clauses), *comment]


@dataclass(frozen=True)
class PublicationMembership(Part):
    """A publication that names the table. Subscribers must not be sent to a parked name."""

    kind = "publication"
    order = 90
    name: str
    columns: tuple[str, ...] = ()
    where: str | None = None

    def park(self, relation: QualifiedName) -> list[str]:
        return [f"ALTER PUBLICATION {quote(self.name)} DROP TABLE ONLY {relation}"]

    def restore(self, relation: QualifiedName) -> list[str]:
        columns = f" ({', '.join(map(quote, self.columns))})" if self.columns else ""
        where = f" WHERE ({self.where})" if self.where is not None else ""
        return [f"ALTER PUBLICATION {quote(self.name)} ADD TABLE ONLY {relation}{columns}{where}"]


@dataclass(frozen=True)
class PartitionOf(Part):
    """The place of a partition in its parent.

    PostgreSQL makes what the parent got meanwhile, an index say, and names it after the partition.
    """

    kind = "partition_of"
    order = 58
    needs_final_name = True
    parent_schema: str
    parent: str
    bound: str
    parent_oid: int | None = None

    @property
    def label(self) -> str:
        return f"partition of {self.parent}"

    @property
    def _parent(self) -> QualifiedName:
        return QualifiedName(self.parent_schema, self.parent)

    def park(self, relation: QualifiedName) -> list[str]:
        return [f"ALTER TABLE {self._parent} DETACH PARTITION {relation}"]

    def restore(self, relation: QualifiedName) -> list[str]:
        return [f"ALTER TABLE {self._parent} ATTACH PARTITION {relation} {self.bound}"]


@dataclass(frozen=True)
class InheritsFrom(Part):
    """A parent of plain inheritance, in order."""

    kind = "inherits_from"
    order = 58
    needs_final_name = True
    parent_schema: str
    parent: str
    parent_oid: int | None = None

    @property
    def label(self) -> str:
        return f"inheritance from {self.parent}"

    @property
    def _parent(self) -> QualifiedName:
        return QualifiedName(self.parent_schema, self.parent)

    def park(self, relation: QualifiedName) -> list[str]:
        return [f"ALTER TABLE {relation} NO INHERIT {self._parent}"]

    def restore(self, relation: QualifiedName) -> list[str]:
        return [f"ALTER TABLE {relation} INHERIT {self._parent}"]
