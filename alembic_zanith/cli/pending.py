"""Which revisions are meant by what `zanith-plan` is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from alembic.runtime.migration import MigrationStep, RevisionStep
from alembic.script import ScriptDirectory
from alembic.script.revision import ResolutionError, RevisionError
from alembic.util import CommandError

from alembic_zanith.errors import UnknownObjectError, ZanithError, did_you_mean

from .git import Repository

if TYPE_CHECKING:
    from alembic.script import Script

_RELATIVE = re.compile(r"(.*?)([+-])\d+")
_SYMBOLS = ("", "base", "head", "heads")


@dataclass(frozen=True)
class Asked:
    """What was asked for: `REVISION`, `BASE:HEAD`, or nothing, which is all that is pending."""

    revision: str | None
    downgrade: bool = False

    @property
    def is_range(self) -> bool:
        return ":" in (self.revision or "")

    @property
    def is_downgrade(self) -> bool:
        """Whether it is one by itself (`-1`, `base`), or by the flag."""
        by_itself = self.revision == "base" or re.fullmatch(r"(\w+@)?-\d+", self.revision or "")
        return self.downgrade or bool(by_itself)


@dataclass(frozen=True)
class Pending:
    """The steps in the order in which they run, and what is to be known of how they were found."""

    steps: list[RevisionStep]
    warnings: tuple[str, ...] = ()


def pending(script: ScriptDirectory, asked: Asked, heads: tuple[str, ...]) -> Pending:
    """Return the steps that were asked for, on a database that is at `heads`.

    Raises `UnknownObjectError` for a name that is neither a revision nor known to git, and
    `ZanithError` for a range that is written the wrong way round.
    """
    with _unknown_explained(script, heads):
        if asked.is_range:
            return _range(script, asked)
        target = asked.revision or ("base" if asked.downgrade else "heads")
        steps_of = script._downgrade_revs if asked.is_downgrade else script._upgrade_revs
        # Alembic's own commands hand them the heads as they are, whatever the annotation says.
        return Pending(steps_of(target, heads))  # type: ignore[arg-type]


def _range(script: ScriptDirectory, asked: Asked) -> Pending:
    base, _, head = (asked.revision or "").partition(":")
    if asked.downgrade:
        # From where it stands to where it goes to: what only the first one has is undone.
        base, head = head, base
    low, high = _side(script, base or "base"), _side(script, head or "heads")
    for revision, path in high.absent.items():
        if revision not in low.absent:
            raise ZanithError(
                f"{path} is at {high.name} and not in the work tree, so that it cannot be planned. "
                f"Check {high.name} out first."
            )
    missing = high.revisions - low.revisions
    if not missing and low.revisions > high.revisions and not (low.commit or high.commit):
        raise ZanithError(
            f"Nothing is pending from {base} to {head}, which comes before it. Write {head}:{base} "
            "for the upgrade."
        )
    scripts = [each for each in script.walk_revisions() if each.revision in missing]
    warnings = tuple(_differences(scripts, high))
    revisions = script.revision_map
    if asked.downgrade:
        down = [MigrationStep.downgrade_from_script(revisions, each) for each in scripts]
        return Pending(down, warnings)
    up = [MigrationStep.upgrade_from_script(revisions, each) for each in reversed(scripts)]
    return Pending(up, warnings)


@dataclass(frozen=True)
class _Side:
    """One end of a range: the revisions that are there. `commit` is set where git was asked.

    `absent` are those that are there and not in the work tree, with their files.
    """

    name: str
    revisions: frozenset[str]
    absent: Mapping[str, str] = field(default_factory=dict)
    repository: Repository | None = None
    commit: str | None = None


def _side(script: ScriptDirectory, name: str) -> _Side:
    if _is_exact(script, name):
        return _Side(name, _up_to(script, name))
    found = _by_prefix(script, name)
    try:
        repository = Repository.around(Path(script.dir))
        commit = repository.commit(name)
    except ZanithError as error:
        if found is not None:
            return _Side(name, _up_to(script, found))
        raise UnknownObjectError(f"There is no revision {name!r}. {error}") from error
    if commit is None:
        if found is not None:
            return _Side(name, _up_to(script, found))
        raise UnknownObjectError(_unknown(script, name))
    if found is not None:
        raise ZanithError(
            f"{name!r} is the beginning of revision {found} and something to git as well. Write "
            f"{found}, or the whole name of the branch, tag or commit."
        )
    return _at_commit(script, name, repository, commit)


def _is_exact(script: ScriptDirectory, name: str) -> bool:
    """Tell whether a name is Alembic's for sure: whatever git says, it is a revision."""
    _, _, symbol = name.rpartition("@")
    relative = _RELATIVE.fullmatch(symbol)
    if relative is not None:
        symbol = relative[1]
    if symbol in _SYMBOLS:
        return True
    try:
        found = script.revision_map.get_revision(symbol)
    except RevisionError:
        return False
    return found is not None and (found.revision == symbol or symbol in found.branch_labels)


def _by_prefix(script: ScriptDirectory, name: str) -> str | None:
    try:
        found = script.revision_map.get_revision(name)
    except RevisionError:
        return None
    return None if found is None else found.revision


def _up_to(script: ScriptDirectory, name: str) -> frozenset[str]:
    """Return a revision, given by any name that Alembic knows, with all that come before it."""
    if name == "base":
        return frozenset()
    before = script.iterate_revisions(name, "base", implicit_base=True)
    return frozenset(each.revision for each in before)


def _at_commit(script: ScriptDirectory, name: str, repository: Repository, commit: str) -> _Side:
    """Return the revisions whose files are there at a commit, under whatever name."""
    here = {repository.path(Path(each.path)): each.revision for each in script.walk_revisions()}
    there = repository.files(commit, map(Path, script._version_locations))
    gone = (path for path in sorted(there) if not (repository.root / path).exists())
    others = filter(_is_script, gone)
    ids = {_revision_id(repository.text(commit, path)): path for path in others}
    # Under another name it is the same revision.
    known = {id_ for path, id_ in here.items() if path in there or id_ in ids}
    absent = {id_: path for id_, path in ids.items() if id_ and id_ not in here.values()}
    return _Side(name, frozenset(known), absent, repository, commit)


def _is_script(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name.endswith(".py") and not name.startswith((".", "__init__"))


def _revision_id(source: str) -> str | None:
    found = re.search(r"^revision\b[^=\n]*=\s*['\"]([^'\"]+)['\"]", source, re.MULTILINE)
    return found[1] if found else None


def _differences(scripts: list[Script], side: _Side) -> Iterator[str]:
    repository, commit = side.repository, side.commit
    if repository is None or commit is None:
        return
    paths = [path for each in scripts if (path := repository.path(Path(each.path))) is not None]
    if not paths:
        return
    for path in sorted(repository.changed(commit, paths)):
        yield f"{path} is another in the work tree, which is what was planned, than at {side.name}."


def require_known(script: ScriptDirectory, heads: tuple[str, ...]) -> None:
    """Raise `UnknownObjectError` where a database is at a revision that has no script."""
    with _unknown_explained(script, heads):
        script.get_revisions(heads)


@contextmanager
def _unknown_explained(script: ScriptDirectory, heads: tuple[str, ...]) -> Iterator[None]:
    try:
        yield
    except ResolutionError as error:
        raise UnknownObjectError(_unknown(script, error.argument, heads, error)) from error
    except RevisionError as error:
        raise ZanithError(f"{error}.") from error
    except CommandError as error:
        cause = error.__cause__
        if not isinstance(cause, ResolutionError):
            raise
        raise UnknownObjectError(_unknown(script, cause.argument, heads, cause)) from error


def _unknown(
    script: ScriptDirectory,
    name: str,
    heads: tuple[str, ...] = (),
    error: ResolutionError | None = None,
) -> str:
    if name in heads:
        return (
            f"The database is at revision {name!r}, which no script has: it was upgraded with "
            "other scripts than these. Check out the right ones."
        )
    if error is not None and str(error.args[0]).startswith("Multiple"):
        return f"{error.args[0]} Write more of it."
    revisions = list(script.walk_revisions())
    known = {each.revision for each in revisions}
    known |= {label for each in revisions for label in each.branch_labels}
    return (
        f"There is no revision {name!r}.{did_you_mean(name, known)} `alembic history` lists them. "
        "In BASE:HEAD it may be a branch, tag or commit of git as well, if it is fetched."
    )
