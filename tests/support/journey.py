"""The whole way through a project, by the `alembic` command alone: there, back, and there again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from tests.support.project import Project, Script

USERS = """
class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
"""

LEGACY = "    legacy_code: Mapped[str | None] = mapped_column(unique=True)\n"

AUDIT = """

class Audit(Base):
    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey(User.id))
    action: Mapped[str] = mapped_column(index=True)
    __table_args__ = (sa.UniqueConstraint("user_id", "action"),)
"""

ROWS = """
INSERT INTO {schema}.users (id, email, legacy_code)
SELECT n, 'mail ' || n, CASE WHEN n % 3 > 0 THEN 'code ' || n END
  FROM generate_series(1, 60) AS n;
INSERT INTO {schema}.audit (id, user_id, action)
SELECT n, 1 + n % 60, 'login ' || n FROM generate_series(1, 40) AS n;
"""


@dataclass
class Journey:
    """A project that loses `users.legacy_code` and `audit` from its models, and gets them back.

    `schema` is where its tables are, `qualified` whether Alembic and the listing write it out.
    `options` go before each command, such as `("-n", "shop")`.
    """

    project: Project
    schema: str = "public"
    qualified: bool = False
    options: Sequence[str] = ()
    metadata_arguments: str = ""

    def run(self) -> Script:
        """Travel, and return the revision that autogenerate wrote for the drops.

        The database is the same, byte for byte, after the restores by command and after each
        downgrade.
        """
        self.with_rows()
        database = self.project.database
        before = database.dump()
        script = self.drops()
        self.alembic("upgrade", "head")
        assert self.is_up_to_date()
        assert self.listed() == {self.prefix + "users.legacy_code", self.prefix + "audit"}
        assert database.dump() != before
        self.alembic("zanith-recover", "restore-column", f"{self.prefix}users.legacy_code")
        self.alembic("zanith-recover", "restore-table", f"{self.prefix}audit")
        assert database.dump() == before
        # Both are back already, which is no reason for the downgrade to fail.
        self.alembic("downgrade", "-1")
        assert database.dump() == before
        self.alembic("upgrade", "head")
        assert self.is_up_to_date()
        self.alembic("downgrade", "-1")
        assert database.dump() == before
        return script

    def with_rows(self) -> None:
        """Bring the database to models with everything in them, and fill it."""
        self.project.write_models(USERS + LEGACY + AUDIT, self.metadata_arguments)
        self.autogenerate("everything")
        self.alembic("upgrade", "head")
        self.project.database.execute(ROWS.format(schema=self.schema))

    def drops(self) -> Script:
        """Take the two out of the models and return what autogenerate makes of that."""
        self.project.write_models(USERS, self.metadata_arguments)
        script = self.autogenerate("less")
        schema = f", schema='{self.schema}'" if self.qualified else ""
        assert f"op.soft_drop_column('users', 'legacy_code'{schema})" in script.source
        assert f"op.soft_drop_table('audit'{schema})" in script.source
        return script

    def autogenerate(self, message: str) -> Script:
        before = set(self.project.versions.glob("*.py"))
        self.alembic("revision", "--autogenerate", "-m", message)
        (path,) = set(self.project.versions.glob("*.py")) - before
        return Script(path.name.split("_")[0], path)

    def alembic(self, *arguments: str) -> str:
        """Run a command and return what it printed; it must succeed."""
        result = self.project.alembic(*self.options, *arguments).succeeded()
        return result.stdout

    def is_up_to_date(self) -> bool:
        """Tell whether `alembic check` finds nothing to do."""
        return "No new upgrade operations detected" in self.alembic("check")

    def listed(self) -> set[str]:
        """Return the sources of what is parked."""
        listed = json.loads(self.alembic("zanith-recover", "list", "--json"))
        return {each["source"] for each in listed}

    @property
    def prefix(self) -> str:
        """How a target begins that names the schema."""
        return "" if self.schema == "public" else f"{self.schema}."
