"""The code keeps the rules that CONTRIBUTING.md names."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import alembic_zanith

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = Path(sys.executable).parent

CHECKS = {
    "ruff": ["ruff", "check", "."],
    "format": ["ruff", "format", "--check", "."],
    "types": ["mypy"],
    "layers": ["lint-imports"],
}


def _modules() -> list[str]:
    found = pkgutil.walk_packages(alembic_zanith.__path__, f"{alembic_zanith.__name__}.")
    return [module.name for module in found]


@pytest.mark.parametrize("check", CHECKS)
def test_a_static_check_finds_nothing(check: str) -> None:
    program, *arguments = CHECKS[check]
    done = subprocess.run(
        [SCRIPTS / program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", _modules())
def test_the_examples_in_docstrings_are_true(name: str) -> None:
    outcome = doctest.testmod(importlib.import_module(name))
    assert outcome.failed == 0
