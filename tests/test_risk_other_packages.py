"""Operations of other packages have entries, and none of the packages is imported for them."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.operations import MigrateOperation

from alembic_zanith.risk.reading import changes_of, is_registered

ROOT = Path(__file__).parent.parent


def test_nothing_is_imported_unless_the_project_does() -> None:
    code = (
        "import sys, alembic_zanith, alembic_zanith.risk.operations\n"
        "sys.exit('alembic_utils' in sys.modules or 'alembic_postgresql_enum' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_operation_that_nobody_knows_is_like_raw_sql() -> None:
    class LaunchOp(MigrateOperation):
        pass

    operation = LaunchOp()
    assert not is_registered(operation)
    (change,) = changes_of(operation)
    assert (change.kind, change.judge().level.word) == ("raw_sql", "medium")
    assert getattr(change, "why", None) == "no risk entry is registered for LaunchOp"


@pytest.mark.parametrize(
    ("package", "tests"),
    [
        ("alembic_utils", "TestAlembicUtils"),
        ("alembic_postgresql_enum", "TestAlembicPostgresqlEnum"),
    ],
)
def test_every_operation_of_it_has_an_entry(package: str, tests: str) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    cases = f"tests/support/risk/other_packages.py::{tests}"
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", cases]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout
