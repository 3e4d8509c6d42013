"""What a git repository knows of files at a commit, by asking the `git` program."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from alembic_zanith.errors import ZanithError


@dataclass(frozen=True)
class Repository:
    """A repository with its work tree. Paths are from `root` on, with slashes."""

    root: Path

    @classmethod
    def around(cls, folder: Path) -> Repository:
        """Return the repository that a folder is in.

        Raises `ZanithError` where it is in none, and where there is no git.
        """
        done = _git(folder, "rev-parse", "--show-toplevel")
        if done.returncode != 0:
            reason = " ".join(done.stderr.split()).removeprefix("fatal: ").rstrip(".")
            raise ZanithError(f"{folder} cannot be read by git: {reason}.")
        return cls(Path(done.stdout.rstrip("\n")).resolve())

    def commit(self, ref: str) -> str | None:
        """Return the commit that a branch, a tag or (the beginning of) a commit id names."""
        wanted = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
        done = _git(self.root, *wanted)
        return done.stdout.strip() or None if done.returncode == 0 else None

    def files(self, commit: str, folders: Iterable[Path]) -> set[str]:
        """Return the files that are in these folders, and further down, at a commit."""
        inside = [path for path in map(self.path, folders) if path is not None]
        if not inside:
            return set()
        listed = self._read("ls-tree", "-r", "-z", "--name-only", commit, "--", *inside)
        return {name for name in listed.split("\0") if name}

    def text(self, commit: str, path: str) -> str:
        """Return a file as it is at a commit."""
        return self._read("show", f"{commit}:{path}")

    def changed(self, commit: str, paths: Iterable[str]) -> set[str]:
        """Return which of these files are another in the work tree than at a commit."""
        listed = self._read("diff", "--name-only", "-z", commit, "--", *paths)
        return {name for name in listed.split("\0") if name}

    def path(self, file: Path) -> str | None:
        """Return a path as git has it; None for what is not in the work tree."""
        whole = file.resolve()
        return whole.relative_to(self.root).as_posix() if whole.is_relative_to(self.root) else None

    def _read(self, *arguments: str) -> str:
        done = _git(self.root, *arguments)
        if done.returncode != 0:
            raise ZanithError(f"git {arguments[0]} failed: {' '.join(done.stderr.split())}")
        return done.stdout


def _environment() -> dict[str, str]:
    # A hook of git's runs with these set for where it is, which may be another folder.
    others = {k: v for k, v in os.environ.items() if k not in _OF_HOOKS}
    # Messages in English, and no lock taken in somebody's work tree.
    return {**others, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}


_OF_HOOKS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["git", "-C", str(folder), "--literal-pathspecs", *arguments],
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="surrogateescape",
            env=_environment(),
            check=False,
        )
    except FileNotFoundError:
        raise ZanithError(
            "There is no git here to ask for what is at a branch, tag or commit. Install it, or "
            "give revision ids: BASE:HEAD."
        ) from None
