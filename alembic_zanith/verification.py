"""What a rehearsal has found out: values, made by `verify` and read by gates and reports."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum


class Verdict(Enum):
    """What became of a rehearsal, with its exit status and what to do next."""

    OK = ("ok", 0, "Run `alembic upgrade head --shadow-verified`.")
    DRIFT = (
        "drift",
        3,
        "The migrations do not lead to what the models say. Write the missing revision with "
        "`alembic revision --autogenerate`, or mend the models, and verify again.",
    )
    APPLY_FAILED = (
        "apply-failed",
        4,
        "Production has not been touched. Mend the revision that failed and verify again; --keep "
        "leaves the shadow as it was then.",
    )
    SHADOW_UNREACHABLE = (
        "shadow-unreachable",
        5,
        "Nothing was rehearsed. Mend what is said above, or choose another place: --shadow-url "
        "URL, --topology database, --topology schema.",
    )

    def __init__(self, word: str, exit_status: int, next_step: str) -> None:
        self.word = word
        self.exit_status = exit_status
        self.next_step = next_step


class FindingKind(StrEnum):
    """What was found that changes no verdict by itself."""

    UNPREDICTED_LOCK = "unpredicted_lock"
    UNPREDICTED_REWRITE = "unpredicted_rewrite"
    RESTORE_DIFFERS = "restore_differs"
    DOWNGRADE_FAILS = "downgrade_fails"
    DOWNGRADE_DIFFERS = "downgrade_differs"
    UPGRADE_DIFFERS = "upgrade_differs"
    NOT_COMPARED = "not_compared"
    NOT_REHEARSED = "not_rehearsed"
    OTHER_MAJOR = "other_major"
    SAMPLE = "sample"
    PRODUCTION_MOVED = "production_moved"


@dataclass(frozen=True)
class Finding:
    """One thing that is worth knowing. `text` is a sentence."""

    kind: FindingKind
    text: str
    revision: str | None = None


@dataclass(frozen=True)
class Stage:
    """One of the four stages, with its time in seconds."""

    name: str
    seconds: float
    note: str = ""


@dataclass(frozen=True)
class HeldLock:
    """A lock that an operation took, in PostgreSQL's words: `ACCESS EXCLUSIVE` on `users`."""

    relation: str
    mode: str


@dataclass(frozen=True)
class Observation:
    """One operation as it was predicted and as it was on the shadow.

    `locks` are those that it took first; what an earlier operation of its transaction held already
    is not told again. `is_observed` is False where nobody could look: outside of a transaction a
    lock is gone when its statement is done.
    """

    revision: str
    operation: str
    kind: str
    object_name: str
    level: str
    score: int
    predicted_lock: str
    locks: tuple[HeldLock, ...]
    predicted_rewrite: bool
    rewritten: tuple[str, ...]
    rows: int | None
    seconds: float
    is_observed: bool = True


@dataclass(frozen=True)
class SampleLine:
    """How many rows of a table were copied from production; `note` says what was left out."""

    table: str
    rows: int
    note: str = ""


@dataclass(frozen=True)
class Verification:
    """What one rehearsal has found out about one database.

    `drift` are the operations that autogenerate would write, `failure` is what went wrong where
    the verdict says so, `pending` the revisions that were rehearsed.
    """

    verdict: Verdict
    database: str | None = None
    topology: str = ""
    where: str = ""
    production_version: str = ""
    server_version: str = ""
    heads: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    stages: tuple[Stage, ...] = ()
    drift: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    observations: tuple[Observation, ...] = ()
    sample: tuple[SampleLine, ...] = ()
    failure: str = ""
    failed_revision: str | None = None
    kept: str = ""
    """How to look at the shadow, where it was kept."""
    receipt: str | None = None
    """The file that the receipt was written to."""
    is_strict: bool = field(default=False)

    @property
    def next_step(self) -> str:
        """What to do now."""
        if self.verdict is Verdict.DRIFT and not self.drift:
            return "With --strict no finding is let pass: mend what is found, and verify again."
        return self.verdict.next_step


@dataclass(frozen=True)
class DriftReport:
    """How production differs from what its own history leads to.

    `differences` are sentences without their full stop: what production has more, has not, or has
    otherwise.
    """

    verdict: Verdict
    database: str | None = None
    where: str = ""
    heads: tuple[str, ...] = ()
    stages: tuple[Stage, ...] = ()
    differences: tuple[str, ...] = ()
    failure: str = ""
    kept: str = ""

    @property
    def next_step(self) -> str:
        """What to do now."""
        match self.verdict:
            case Verdict.OK:
                return "Production is what its history says."
            case Verdict.DRIFT:
                return (
                    "Somebody has changed production by hand. Write a revision that does the same "
                    "and stamp it, or take the change back, before the next deploy meets it."
                )
            case Verdict.APPLY_FAILED:
                return "The history does not run on an empty database any more; see above."
        return self.verdict.next_step
