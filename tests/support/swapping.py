"""Models before and after, the exact revision between them, and both ways run for real."""

from __future__ import annotations

import re

import alembic
import pytest

from tests.support.project import Project, Script

needs_alembic_1_18_3 = pytest.mark.skipif(
    alembic.__version__ in ("1.18.0", "1.18.1", "1.18.2"),
    reason="Alembic itself fails there on a foreign key to a table that vanished",
)

NOTHING_NEW = "No new upgrade operations detected."


def code(text: str) -> str:
    """Return the lines of a script without Alembic's own comments and without indent.

    How the lines of one call inside a `with` are indented differs between versions of Alembic, and
    what SQLAlchemy reads of options that are as they always are between versions of that.
    """
    text = re.sub(r", postgresql_(include=\[\]|nulls_not_distinct=False)", "", text)
    lines = [line.strip() for line in text.strip().splitlines()]
    return "\n".join(line for line in lines if not line.startswith("# ###")).strip()


def starts_with(project: Project, models: str, rows: str = "") -> None:
    """Bring the project's database to these models, by a revision, and put rows in."""
    project.write_models(models)
    project.autogenerate("before")
    project.upgrade()
    if rows:
        project.database.execute(rows)


def swaps(project: Project, models: str, upgrade: str, downgrade: str) -> Script:
    """Autogenerate from the models, compare the text, and go up, down and up again."""
    project.write_models(models)
    before = project.database.dump()
    script = project.autogenerate("after")
    assert code(script.upgrade) == code(upgrade), f"upgrade is\n{code(script.upgrade)}"
    assert code(script.downgrade) == code(downgrade), f"downgrade is\n{code(script.downgrade)}"
    project.upgrade()
    assert is_up_to_date(project)
    project.downgrade()
    assert project.database.dump() == before
    project.upgrade()
    assert is_up_to_date(project)
    return script


def is_up_to_date(project: Project) -> bool:
    """Tell whether `alembic check` finds nothing to do."""
    return NOTHING_NEW in project.alembic("check").output
