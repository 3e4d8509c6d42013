"""A Flask application with Flask-Migrate: `flask db` parks what it would have dropped."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.database import Database
from tests.support.running import Result, run_in_subprocess

# The command at the end is the one that docs/cli.md gives to applications with Flask-Migrate.
APP = """
import os

import click
from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

from alembic_zanith.cli import recover

db = SQLAlchemy()
app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["SHOP_DATABASE"]
db.init_app(app)
Migrate(app, db)


class User(db.Model):
    __tablename__ = "users"
    id = db.Column(db.Integer, primary_key=True)
    email = db.Column(db.String, nullable=False)
    {column}


{table}


@app.cli.command(
    "zanith-recover",
    context_settings={{"ignore_unknown_options": True, "help_option_names": []}},
)
@click.argument("arguments", nargs=-1)
def zanith_recover(arguments):
    recover(app.extensions["migrate"].migrate.get_config(), arguments)
"""

LEGACY = "legacy_code = db.Column(db.String(20), unique=True)"
AUDIT = """
class Audit(db.Model):
    __tablename__ = "audit"
    id = db.Column(db.Integer, primary_key=True)
    action = db.Column(db.String, index=True)
"""

ROWS = """
INSERT INTO users (id, email, legacy_code) VALUES (1, 'ann@example.org', 'A1'), (2, 'bob', NULL);
INSERT INTO audit (id, action) SELECT n, 'login ' || n FROM generate_series(1, 100) AS n;
"""


@dataclass(frozen=True)
class FlaskShop:
    """A Flask application in a folder."""

    root: Path
    database: Database

    def flask(self, *arguments: str) -> Result:
        """Run `flask ARGUMENTS`."""
        url = self.database.url().render_as_string(hide_password=False)
        env = {**os.environ, "FLASK_APP": "shop.py", "SHOP_DATABASE": url}
        program = [sys.executable, "-m", "flask"]
        return run_in_subprocess(self.root, arguments, env, program=program)

    def write(self, column: str = "", table: str = "") -> None:
        """Write the application with more or less in its models."""
        (self.root / "shop.py").write_text(APP.format(column=column, table=table))

    def newest_revision(self) -> str:
        versions = self.root / "migrations" / "versions"
        newest = max(versions.glob("*.py"), key=lambda path: path.stat().st_mtime_ns)
        return newest.read_text(encoding="utf-8")


@pytest.fixture
def shop(tmp_path: Path, database: Database) -> FlaskShop:
    """An application whose models have just lost a column and a table; 102 rows are there."""
    shop = FlaskShop(tmp_path, database)
    shop.write(LEGACY, AUDIT)
    shop.flask("db", "init").succeeded()
    env_py = tmp_path / "migrations" / "env.py"
    env_py.write_text(
        env_py.read_text().replace(
            "from alembic import context\n",
            "from alembic import context\n\nimport alembic_zanith\n",
        )
    )
    shop.flask("db", "migrate", "-m", "all").succeeded()
    shop.flask("db", "upgrade").succeeded()
    database.execute(ROWS)
    shop.write()
    return shop


def test_what_left_the_models_is_parked_and_comes_back_with_the_downgrade(shop: FlaskShop) -> None:
    before = shop.database.dump()
    shop.flask("db", "migrate", "-m", "less").succeeded()
    source = shop.newest_revision()
    # Flask-Migrate renders as batch unless it is told otherwise.
    assert "batch_op.soft_drop_column('legacy_code')" in source
    assert "op.soft_drop_table('audit')" in source
    assert "batch_op.restore_column(sa.Column('legacy_code'" in "".join(source.split("\n"))
    assert "op.restore_table('audit'," in source
    shop.flask("db", "upgrade").succeeded()
    assert shop.database.scalar("SELECT to_regclass('audit')") is None
    assert "No new upgrade operations" in shop.flask("db", "check").succeeded().output
    shop.flask("db", "downgrade").succeeded()
    assert shop.database.dump() == before
    shop.flask("db", "upgrade").succeeded()
    shop.flask("db", "downgrade").succeeded()
    assert shop.database.dump() == before


@pytest.mark.slow
def test_the_application_has_zanith_recover_among_its_commands(shop: FlaskShop) -> None:
    before = shop.database.dump()
    shop.flask("db", "migrate", "-m", "less").succeeded()
    shop.flask("db", "upgrade").succeeded()
    listed = json.loads(shop.flask("zanith-recover", "list", "--json").succeeded().stdout)
    assert {each["source"] for each in listed} == {"users.legacy_code", "audit"}
    shop.flask("zanith-recover", "restore-column", "users.legacy_code").succeeded()
    shop.flask("zanith-recover", "restore-table", "audit").succeeded()
    assert shop.database.dump() == before
    failed = shop.flask("zanith-recover", "restore-table", "audits").failed()
    assert "FAILED: " in failed.stderr
    assert "Did you mean 'audit'?" in failed.stderr
    assert "restore-column" in shop.flask("zanith-recover", "--help").succeeded().stdout


def test_the_command_is_the_one_in_the_docs() -> None:
    page = (Path(__file__).parent.parent / "docs" / "cli.md").read_text(encoding="utf-8")
    assert APP.format(column="", table="").partition("@app.cli.command(")[2].strip() in page


def test_a_refusal_is_an_error_of_flask_migrate(shop: FlaskShop) -> None:
    shop.flask("db", "migrate", "-m", "less").succeeded()
    refused = shop.flask("db", "upgrade", "--sql").failed()
    assert refused.exit_code == 1
    assert "cannot be written as SQL" in refused.output
