"""Run the shop through drops and back: `python -m sample_project.demo`.

Every command is the real `alembic`, on a PostgreSQL that is started for it, or on another one
that `--url` or TEST_POSTGRES_URL names. Ends with a non-zero exit status if a row was lost.
"""

from __future__ import annotations

import argparse
import os
import sys

import sqlalchemy as sa

from devtools.binaries import PostgresNotFound
from devtools.server_process import PostgresFailed

from .narrator import Narrator
from .stage import DemoFailed, stage
from .story import tell


def main(arguments: list[str] | None = None) -> int:
    """Tell the story and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m sample_project.demo", description=__doc__)
    parser.add_argument(
        "--url",
        help="another server, such as postgresql://postgres@localhost/postgres; the demo makes a "
        "database of its own there and drops it",
    )
    options = parser.parse_args(arguments)
    if options.url:
        os.environ["TEST_POSTGRES_URL"] = options.url
    narrator = Narrator()
    narrator.title("alembic-zanith: a shop drops seven things and gets them all back")
    try:
        with stage(narrator) as set_up:
            nothing_lost = tell(set_up)
    except (DemoFailed, PostgresNotFound, PostgresFailed) as error:
        narrator.verdict(str(error), good=False)
        return 1
    except sa.exc.SQLAlchemyError as error:
        narrator.verdict(f"The database: {getattr(error, 'orig', None) or error}", good=False)
        return 1
    return 0 if nothing_lost else 1


if __name__ == "__main__":
    sys.exit(main())
