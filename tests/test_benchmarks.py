"""The generated history is a sound project, so that its benchmarks measure what they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import history
from tests.support.database import Database


@pytest.mark.parametrize("on", [False, True])
def test_the_generated_history_upgrades(database: Database, tmp_path: Path, on: bool) -> None:
    history.write(tmp_path, database.url().render_as_string(hide_password=False), revisions=6)
    history.switch_on(tmp_path, on)
    command = [sys.executable, "-m", "alembic", "upgrade", "head"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert database.scalar("SELECT version_num FROM alembic_version") == "0005"
    assert database.scalar("SELECT count(*) FROM account_3 WHERE email LIKE '%@x'") == 2
    source = (tmp_path / "migrations" / "env.py").read_text()
    assert ("import alembic_zanith" in source) is on
