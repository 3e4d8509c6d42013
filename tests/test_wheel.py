"""The wheel holds what users need and nothing else."""

from __future__ import annotations

import zipfile
from pathlib import Path


def test_the_wheel_ships_the_package_and_the_plugin_module_alone(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    top_level = {name.split("/")[0] for name in names}
    assert top_level == {
        "alembic_zanith",
        "alembic_zanith_plugin.py",
        "alembic_zanith-0.1.0.dist-info",
    }
    assert "alembic_zanith/py.typed" in names
    assert not [name for name in names if name.endswith((".pyc", ".pyo"))]


def test_the_wheel_registers_the_plugin_with_alembic(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (entry_points,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
    assert archive.read(entry_points).decode().split("\n")[:2] == [
        "[alembic.plugins]",
        "zanith = alembic_zanith_plugin",
    ]
