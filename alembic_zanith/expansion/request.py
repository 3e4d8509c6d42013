"""What is asked for: another column in the place of one, and what each is made of."""

from __future__ import annotations

from dataclasses import dataclass

from alembic_zanith.identifiers import fit
from alembic_zanith.risk.change import TableRef
from alembic_zanith.risk.pasting import sql_name, sql_table

from .column import Carried, OldColumn


@dataclass(frozen=True)
class Replacement:
    """A new column in the place of an old one.

    With `swaps` it has the name of the old one in the end. `type` and the expressions are SQL.
    `at_once` is for where env.py leaves no way to commit before the revision has come to its end.
    """

    old: OldColumn
    name: str
    type: str
    forward: str
    backward: str
    default: str | None
    swaps: bool = False
    at_once: bool = False

    @property
    def column(self) -> str:
        return self.old.column.name

    @property
    def table_name(self) -> str:
        return self.old.relation.name.name

    @property
    def table(self) -> str:
        """The table as SQL."""
        return sql_table(TableRef(self.table_name, self.old.schema))

    @property
    def is_plain(self) -> bool:
        """Whether both expressions are nothing but a column."""
        plain = (sql_name(self.column), sql_name(self.name))
        return (self.forward, self.backward) == plain

    @property
    def early_default(self) -> str | None:
        """The default that the new column may have while it is kept the same as the old one."""
        return self.default if self.is_plain and not self.old.default_differs else None

    @property
    def late_default(self) -> str | None:
        """The default that the new column gets with the contract only."""
        return None if self.early_default is not None else self.default

    def names(self) -> dict[Carried, PartNames]:
        """Return what each part of the new column is called, by that of the old one."""
        taken = {*self.old.names}
        found = {}
        for part in self.old.carried:
            stem = part.name.replace(self.column, self.name)
            keeps = self.swaps or stem == part.name
            if stem == part.name:
                stem = fit("", part.name, f"_{self.name}")
            meanwhile = _free(stem, taken)
            taken.add(meanwhile)
            found[part] = PartNames(meanwhile, part.name if keeps else meanwhile)
        return found

    def free_name(self, stem: str) -> str:
        """Return a name for a constraint that no other has."""
        taken = {*self.old.names, *(each.meanwhile for each in self.names().values())}
        return _free(fit("", stem, ""), taken)


@dataclass(frozen=True)
class PartNames:
    """What an index or a constraint is called until the contract, and from then on."""

    meanwhile: str
    finally_: str


def _free(stem: str, taken: set[str]) -> str:
    fitting = fit("", stem, "")
    candidates = (fitting, *(fit("", stem, f"_{n}") for n in range(2, len(taken) + 3)))
    return next(name for name in candidates if name not in taken)
