"""A project with a long history: generated, in the style of a real one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REVISIONS = 300

_SCRIPT = '''\
"""{message}"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "{revision}"
down_revision = {down_revision!r}


def upgrade() -> None:
    {upgrade}


def downgrade() -> None:
    pass
'''


def _creates(n: int) -> list[str]:
    return [
        f"""op.create_table(
        "account_{n}",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("name", sa.String(50), nullable=False),
        sa.Column("settings", postgresql.JSONB, server_default=sa.text("'{{}}'")),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now()),
    )""",
        f'op.create_index("ix_account_{n}_name", "account_{n}", ["name"])',
        f"""op.create_table(
        "entry_{n}",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("account_id", sa.BigInteger, sa.ForeignKey("account_{n}.id", ondelete="CASCADE")),
        sa.Column("amount", sa.Numeric(10, 2), nullable=False),
    )""",
        f'op.create_index("ix_entry_{n}_account_id", "entry_{n}", ["account_id"])',
    ]


def _tightens(n: int) -> list[str]:
    return [
        f'op.add_column("account_{n}", sa.Column("email", sa.String(200), nullable=True))',
        f'op.execute("UPDATE account_{n} SET email = lower(name) WHERE email IS NULL")',
        f'op.alter_column("account_{n}", "email", existing_type=sa.String(200), nullable=False)',
        f'op.create_unique_constraint("uq_account_{n}_email", "account_{n}", ["email"])',
    ]


def _changes(n: int) -> list[str]:
    return [
        f"op.execute(\"INSERT INTO account_{n} (name, email) VALUES ('a', 'a@x'), ('b', 'b@x')\")",
        f'op.alter_column("account_{n}", "name", existing_type=sa.String(50), type_=sa.Text)',
        f'op.create_check_constraint("ck_entry_{n}_amount", "entry_{n}", "amount >= 0")',
        f'op.drop_index("ix_account_{n}_name", table_name="account_{n}")',
    ]


_STEPS = (_creates, _tightens, _changes)


def write(folder: Path, url: str, revisions: int = REVISIONS) -> None:
    """Write a project with so many revisions, four operations in each, on a database."""
    command = [sys.executable, "-m", "alembic", "init", "migrations"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    ini = folder / "alembic.ini"
    lines = ini.read_text(encoding="utf-8").splitlines()
    given = f"sqlalchemy.url = {url.replace('%', '%%')}"
    changed = [given if line.startswith("sqlalchemy.url") else line for line in lines]
    ini.write_text("\n".join(changed), encoding="utf-8")
    before = None
    for n in range(revisions):
        step, table = _STEPS[n % len(_STEPS)], n - n % len(_STEPS)
        source = _SCRIPT.format(
            message=f"Step {n}",
            revision=f"{n:04}",
            down_revision=before,
            upgrade="\n    ".join(step(table)),
        )
        path = folder / "migrations" / "versions" / f"{n:04}_step.py"
        path.write_text(source, encoding="utf-8")
        before = f"{n:04}"


def switch_on(folder: Path, on: bool) -> None:
    """Write or take out `import alembic_zanith` in env.py."""
    env = folder / "migrations" / "env.py"
    source = env.read_text(encoding="utf-8").replace("import alembic_zanith\n", "")
    if on:
        first = "from alembic import context\n"
        source = source.replace(first, f"{first}import alembic_zanith\n", 1)
    env.write_text(source, encoding="utf-8")
