"""What nothing can see through, and what changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from alembic_zanith.redaction import without_secrets
from alembic_zanith.risk.change import Change, Judgement, Lock, TableRef, kind
from alembic_zanith.risk.levels import Level
from alembic_zanith.risk.reasons import Reason


@kind("raw_sql")
@dataclass(frozen=True)
class RawSql(Change):
    """Something that was not understood. `why` says what of it, and why not.

    `calls` is the function that was not seen through, where it is one: the plan may define it.
    """

    text: str
    why: str
    calls: TableRef | None = None

    @property
    def subject(self) -> str:
        return without_secrets(self.text)

    def judge(self) -> Judgement:
        return Judgement(
            Level.MEDIUM,
            (Reason.RAW_SQL,),
            instead="Say what it does with an operation, or with SQL that is written out.",
        )


@kind("harmless")
@dataclass(frozen=True)
class Harmless(Change):
    """Changes neither rows nor definitions: SELECT, SHOW, SET LOCAL, COMMENT, ANALYZE…"""

    text: str
    lock: Lock = Lock.NONE

    @property
    def subject(self) -> str:
        return without_secrets(self.text)

    def judge(self) -> Judgement:
        return Judgement(Level.SAFE, (), self.lock)


@dataclass(frozen=True)
class SetSearchPath(Harmless):
    """From here on names without a schema are looked up elsewhere: first in `schema`, if known.

    With `is_local` that is so until the transaction ends.
    """

    schema: str | None = None
    is_local: bool = False


@dataclass(frozen=True)
class EndTransaction(Harmless):
    """COMMIT; or ROLLBACK, also to a savepoint, which takes back what was made."""

    rolls_back: bool = False
