"""An Alembic project as `alembic init` makes it, on a test's own database."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from tests.support.database import Database
from tests.support.running import Result, run_in_process, run_in_subprocess

# Alembic's own templates, each with the driver that its env.py needs; None takes any.
TEMPLATES = {
    "generic": None,
    "async": "asyncpg",
    "multidb": None,
    "pyproject": None,
    "pyproject_async": "asyncpg",
}

_MODELS_HEADER = """\
from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

metadata = sa.MetaData({arguments})
metadata2 = sa.MetaData()


class Base(DeclarativeBase):
    metadata = metadata


"""


@dataclass(frozen=True)
class Script:
    """A revision file."""

    id: str
    path: Path

    @property
    def source(self) -> str:
        """The file's text."""
        return self.path.read_text(encoding="utf-8")

    def body(self, function: str) -> str:
        """Return what a function of the script does, without its docstring and indent."""
        pattern = rf'^def {function}\(.*?\) -> None:\n    """.*?"""\n(.*?)(?=^\S|\Z)'
        match = re.search(pattern, self.source, re.DOTALL | re.MULTILINE)
        assert match is not None, f"no {function}() in {self.path}"
        return textwrap.dedent(match.group(1)).strip()

    @property
    def upgrade(self) -> str:
        """What upgrade() does."""
        return self.body("upgrade")

    @property
    def downgrade(self) -> str:
        """What downgrade() does."""
        return self.body("downgrade")


@dataclass(frozen=True)
class Project:
    """A project folder with alembic.ini, migrations/, models.py; made by `Project.create`."""

    root: Path
    database: Database
    template: str
    databases: Mapping[str, Database]

    @classmethod
    def create(
        cls,
        root: Path,
        databases: Mapping[str, Database],
        template: str = "generic",
        driver: str | None = None,
        switched_on: bool = True,
    ) -> Project:
        """Run `alembic init` in `root` and point it at the databases.

        `databases` has one entry for each name in the template multidb, else only `engine1`.
        `switched_on=False` leaves out `import alembic_zanith`.
        """
        project = cls(root, next(iter(databases.values())), template, databases)
        run_in_process(root, ["init", "--template", template, "migrations"]).succeeded()
        for name, database in databases.items():
            project._point_at(name, database.url(driver or TEMPLATES[template]))
        target = (
            'target_metadata = {"engine1": models.metadata, "engine2": models.metadata2}'
            if template == "multidb"
            else "target_metadata = models.metadata"
        )
        project.edit_env(r"^target_metadata = .*$", f"import models\n\n{target}")
        if switched_on:
            project.edit_env(r"^from alembic import context$", r"\g<0>\n\nimport alembic_zanith")
        project.write_models("")
        return project

    @property
    def env_py(self) -> Path:
        """The project's env.py."""
        return self.root / "migrations" / "env.py"

    @property
    def versions(self) -> Path:
        """The folder with the revision files."""
        return self.root / "migrations" / "versions"

    def write_models(self, source: str, metadata_arguments: str = "") -> None:
        """Replace models.py, which has `sa`, `postgresql`, `metadata` and `Base` ready.

        `metadata_arguments` go into `sa.MetaData(…)`, such as `schema="shop"`. The second
        engine of the template multidb is described by `metadata2`.
        """
        header = _MODELS_HEADER.format(arguments=metadata_arguments)
        text = header + textwrap.dedent(source).strip() + "\n"
        (self.root / "models.py").write_text(text, encoding="utf-8")

    def edit_env(self, pattern: str, replacement: str) -> None:
        """Replace every match of a regular expression in env.py; there must be one."""
        text, count = re.subn(pattern, replacement, self.env_py.read_text(), flags=re.MULTILINE)
        assert count, f"{pattern!r} is nowhere in {self.env_py}"
        self.env_py.write_text(text)

    def configure_context(self, arguments: str) -> None:
        """Add arguments, such as `include_schemas=True`, to every `context.configure()`."""
        literal = arguments.replace("\\", "\\\\")
        self.edit_env(r"target_metadata=target_metadata(?:\.get\(name\))?", rf"\g<0>, {literal}")

    def settings(self, **values: Any) -> None:
        """Write settings of the package where this project has its own: pyproject or ini."""
        if self.template.startswith("pyproject"):
            file, section = self.root / "pyproject.toml", "[tool.alembic_zanith]"
            lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        else:
            file, section = self.root / "alembic.ini", "[zanith]"
            lines = [f"{key} = {value}".replace("%", "%%") for key, value in values.items()]
        with file.open("a", encoding="utf-8") as stream:
            stream.write("\n".join(["", section, *lines, ""]))

    def revision(
        self,
        upgrade: str = "pass",
        downgrade: str = "pass",
        *,
        message: str = "step",
        rev_id: str | None = None,
        engine: str = "engine1",
        **options: Any,
    ) -> str:
        """Write a revision on top of the head and return its id.

        `options` are those of `alembic.command.revision`: `head`, `splice`, `branch_label`,
        `depends_on`. `engine` says whose functions they are in the template multidb.
        """
        config = self.config()
        made = command.revision(config, message, rev_id=rev_id, **options)
        assert made is not None
        assert not isinstance(made, list)
        script = Script(made.revision, Path(made.path))
        suffix = f"_{engine}" if self.template == "multidb" else ""
        source = script.source
        for name, body in ((f"upgrade{suffix}", upgrade), (f"downgrade{suffix}", downgrade)):
            source = _with_body(source, name, body)
        script.path.write_text(source, encoding="utf-8")
        return script.id

    def autogenerate(self, message: str = "auto", *arguments: str) -> Script:
        """Run `alembic revision --autogenerate` and return the file that it wrote."""
        before = set(self.versions.glob("*.py"))
        self.alembic("revision", "--autogenerate", "-m", message, *arguments).succeeded()
        (path,) = set(self.versions.glob("*.py")) - before
        return Script(path.name.split("_")[0], path)

    def alembic(
        self, *arguments: str, env: Mapping[str, str] | None = None, stdin: str = ""
    ) -> Result:
        """Run an Alembic command in this process; never raises, see `Result.succeeded`."""
        return run_in_process(self.root, arguments, env, stdin)

    def alembic_subprocess(
        self, *arguments: str, env: Mapping[str, str] | None = None, stdin: str = ""
    ) -> Result:
        """Run an Alembic command as a program of its own."""
        return run_in_subprocess(self.root, arguments, env, stdin)

    def upgrade(self, revision: str = "head") -> Result:
        """Run `alembic upgrade`; an AssertionError with its output if it fails."""
        return self.alembic("upgrade", revision).succeeded()

    def downgrade(self, revision: str = "-1") -> Result:
        """Run `alembic downgrade`; an AssertionError with its output if it fails."""
        return self.alembic("downgrade", revision).succeeded()

    def config(self) -> Config:
        """Return a Config for `alembic.command`, with paths that hold from anywhere."""
        toml = self.root / "pyproject.toml"
        return Config(self.root / "alembic.ini", toml_file=toml if toml.exists() else None)

    def heads(self) -> list[str]:
        """Return the ids of the newest revisions."""
        return ScriptDirectory.from_config(self.config()).get_heads()

    def _point_at(self, name: str, url: sa.URL) -> None:
        ini = self.root / "alembic.ini"
        text = url.render_as_string(hide_password=False).replace("%", "%%")
        section = name if self.template == "multidb" else "alembic"
        pattern = rf"(^\[{section}\]$.*?^sqlalchemy\.url = )[^\n]*"
        changed, count = re.subn(
            pattern,
            lambda match: match.group(1) + text,
            ini.read_text(),
            count=1,
            flags=re.DOTALL | re.MULTILINE,
        )
        assert count == 1, f"no URL in section {section} of {ini}"
        ini.write_text(changed)


def _with_body(source: str, function: str, body: str) -> str:
    """Replace the `pass` that Alembic's template leaves in a function."""
    head, found, rest = source.partition(f"def {function}() -> None:")
    docstring, passed, tail = rest.partition("    pass\n")
    assert found, f"no {function}() in:\n{source}"
    assert passed, f"{function}() has a body already:\n{source}"
    indented = textwrap.indent(textwrap.dedent(body).strip(), "    ")
    return f"{head}{found}{docstring}{indented}\n{tail}"
