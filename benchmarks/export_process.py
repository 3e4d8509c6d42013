"""Export one artifact and print, as JSON, the time and the memory that it took.

The arguments are the target and the file; the URL of the database comes on standard input, because
a command line is visible to others and the URL may hold a password.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import sqlalchemy as sa

from alembic_zanith.recovery import export_artifact


def main(target: str, output: str) -> None:
    """Measure from the open connection to the closed file."""
    engine = sa.create_engine(sys.stdin.read().strip(), poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
        memory = _peak_memory()
        start = time.perf_counter()
        with Path(output).open("wb") as file:
            export_artifact(connection, target, format="csv", output=file)
        seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "memory": _peak_memory() - memory}))


def _peak_memory() -> int:
    """Return the largest resident size of this process so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # getrusage() would tell the size of the parent, which exec does not reset.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main(*sys.argv[1:])
