"""Where the demo plays: a database of its own, and a copy of the project in a temporary folder."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import sqlalchemy as sa

from devtools.postgres import LocalPostgres

from .evidence import TableEvidence, collect
from .narrator import Narrator

PROJECT = Path(__file__).resolve().parent.parent
_PARTS = ("alembic.ini", "models.py", "migrations")


class DemoFailed(Exception):
    """The demo cannot go on; the message says why."""


@dataclass(frozen=True)
class Stage:
    """The copy of the project, the database, and how commands are run there."""

    folder: Path
    engine: sa.Engine
    narrator: Narrator

    def alembic(
        self, *arguments: str, leave_out: tuple[str, str] | None = None, refused: bool = False
    ) -> None:
        """Run `alembic ARGUMENTS` for real, under its echo.

        Raises DemoFailed if the command fails, or with `refused` if it does not.
        """
        self.narrator.command(["alembic", *map(_as_typed, arguments)])
        with subprocess.Popen(
            [sys.executable, "-m", "alembic", *arguments],
            cwd=self.folder,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process:
            assert process.stdout is not None
            self.narrator.output(lines_of(process.stdout), leave_out)
        if refused:
            if not process.returncode:
                raise DemoFailed("The command should have been refused.")
            self.narrator.say(f"Exit status {process.returncode}.")
        elif process.returncode:
            raise DemoFailed(f"The command failed with exit status {process.returncode}.")

    def seed(self) -> int:
        """Fill the tables and return how many rows there are."""
        with self.engine.begin() as connection:
            script = (PROJECT / "demo" / "seed.sql").read_text(encoding="utf-8")
            # Its percent signs are SQL's, not the driver's.
            connection.exec_driver_sql(script, execution_options={"no_parameters": True})
        return sum(table.rows for table in self.evidence().values())

    def evidence(self) -> dict[str, TableEvidence]:
        """Read and checksum every row of the shop."""
        with self.engine.connect() as connection:
            return collect(connection)

    def edit_models(self, without: str) -> None:
        """Take a line, and the comment above it, out of models.py and show that."""
        file = self.folder / "models.py"
        lines = file.read_text(encoding="utf-8").splitlines()
        (at,) = [number for number, line in enumerate(lines) if without in line]
        first = at - 1 if lines[at - 1].strip().startswith("#") else at
        file.write_text("\n".join([*lines[:first], *lines[at + 1 :], ""]), encoding="utf-8")
        self.narrator.say(f"\n{file.name} loses a line:")
        self.narrator.listing([f"- {lines[at].strip()}"])

    def write_revision(self, revision: str, down: str, upgrade: str, downgrade: str) -> None:
        """Write a revision as somebody would by hand, and show what it does."""
        (self.folder / "migrations" / "versions" / f"{revision}_by_hand.py").write_text(
            f'"""Written by hand."""\n\nfrom alembic import op\n\n'
            f"revision = {revision!r}\ndown_revision = {down!r}\n\n\n"
            f"def upgrade():\n    {upgrade}\n\n\ndef downgrade():\n    {downgrade}\n"
            "    # ### end\n",
            encoding="utf-8",
        )
        self.show_revision(revision)

    def show_revision(self, revision: str) -> None:
        """Show what a revision does."""
        (file,) = (self.folder / "migrations" / "versions").glob(f"{revision}_*.py")
        source = file.read_text(encoding="utf-8")
        bodies = re.findall(r"^def .*?(?=^    # ### end)", source, re.DOTALL | re.MULTILINE)
        for body in bodies:
            self.narrator.say("")
            lines = body.splitlines()
            self.narrator.listing(line for line in lines if not _is_boilerplate(line))

    def show_file(self, name: str, lines: int) -> None:
        """Show the first lines of a file and who may read it."""
        self.narrator.command(["head", f"-{lines}", name])
        with (self.folder / name).open(encoding="utf-8") as file:
            self.narrator.listing(line.rstrip("\n") for line in itertools.islice(file, lines))

    def _environment(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PG", "ZANITH_"))
        }
        # Output as it comes, in the order in which it was written, and no files left behind.
        kept |= {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"}
        if self.narrator.in_colour:
            kept |= {"FORCE_COLOR": "1", "COLUMNS": str(shutil.get_terminal_size().columns)}
        return kept


@contextlib.contextmanager
def stage(narrator: Narrator) -> Iterator[Stage]:
    """Set the stage, and leave nothing behind: neither the database nor the folder."""
    with (
        LocalPostgres.start() as server,
        tempfile.TemporaryDirectory(prefix="alembic-zanith-demo-") as folder,
        _database(server) as url,
    ):
        copy_project(Path(folder), url)
        narrator.say(f"PostgreSQL {_version(url)} on {server.host}:{server.port}.")
        narrator.say(f"The project is copied to {folder}.")
        yield Stage(Path(folder), sa.create_engine(url, poolclass=sa.NullPool), narrator)


@contextlib.contextmanager
def _database(server: LocalPostgres) -> Iterator[sa.URL]:
    name = f"zanith_demo_{secrets.token_hex(4)}"
    outside = server.url(server.base_url.database or "postgres")
    engine = sa.create_engine(outside, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    try:
        yield server.url(name)
    finally:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


def copy_project(folder: Path, url: sa.URL) -> None:
    """Copy the shop without the demo into a folder, with the URL of its database filled in."""
    for part in _PARTS:
        if (PROJECT / part).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(PROJECT / part, folder / part, ignore=ignored)
        else:
            shutil.copy(PROJECT / part, folder / part)
    ini = folder / "alembic.ini"
    # The folder is for its owner only, so that a password in the URL stays with them.
    text = url.render_as_string(hide_password=False).replace("%", "%%")
    lines = [
        f"sqlalchemy.url = {text}" if line.startswith("sqlalchemy.url = ") else line
        for line in ini.read_text(encoding="utf-8").splitlines()
    ]
    ini.write_text("\n".join([*lines, ""]), encoding="utf-8")


def lines_of(output: IO[bytes]) -> Iterator[str]:
    """Yield lines as they come. A bar goes back to where its line began, which is no new line."""
    for line in output:
        yield line.decode().removesuffix("\n")


def _version(url: sa.URL) -> str:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return str(connection.exec_driver_sql("SHOW server_version").scalar_one())


def _as_typed(argument: str) -> str:
    return f'"{argument}"' if " " in argument else argument


def _is_boilerplate(line: str) -> bool:
    return line.strip().startswith(("# ###", '"""'))
