"""Running `zanith-recover` from Alembic's command line or from Python."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, NoReturn

from .commands import zanith_recover
from .errors import NAME
from .project import Project

if TYPE_CHECKING:
    from alembic.config import Config


def recover(config: Config, arguments: Sequence[str]) -> NoReturn:
    """Run `zanith-recover` with these arguments on the project of an Alembic config.

    Ends like a program, with `SystemExit`: status 0 on success, 1 on failure, 2 on wrong usage.

    Example::

        recover(Config("alembic.ini"), ["list", "--json"])
    """
    program = PurePath(sys.argv[0]).name if sys.argv and sys.argv[0] else "alembic"
    if program == "__main__.py":
        program = "alembic"
    zanith_recover.main(list(arguments), prog_name=f"{program} {NAME}", obj=Project(config))
    raise SystemExit(0)
