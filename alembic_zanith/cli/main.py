"""Running the `zanith-*` commands from Alembic's command line or from Python.

Each imports what it needs when it is run: the other takes a fifth of a second along.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from alembic.config import Config


def recover(config: Config, arguments: Sequence[str]) -> NoReturn:
    """Run `zanith-recover` with these arguments on the project of an Alembic config.

    Ends like a program, with `SystemExit`: status 0 on success, 1 on failure, 2 on wrong usage.

    Example::

        recover(Config("alembic.ini"), ["list", "--json"])
    """
    from .commands import zanith_recover
    from .errors import NAME
    from .project import Project

    zanith_recover.main(list(arguments), prog_name=f"{_program()} {NAME}", obj=Project(config))
    raise SystemExit(0)


def plan(config: Config, arguments: Sequence[str]) -> NoReturn:
    """Run `zanith-plan` with these arguments on the project of an Alembic config.

    Ends like a program, with `SystemExit`: status 0 when the gates let the plan pass, 1 when they
    refuse it, 2 when there is none: on wrong usage, or where something failed.

    Example::

        plan(Config("alembic.ini"), ["--offline", "--format", "json"])
    """
    from .plan_command import PLAN, steps_last, zanith_plan
    from .project import Project

    zanith_plan.main(
        steps_last(arguments), prog_name=f"{_program()} {PLAN}", obj=Project(config, PLAN)
    )
    raise SystemExit(0)


def _program() -> str:
    program = PurePath(sys.argv[0]).name if sys.argv and sys.argv[0] else "alembic"
    return "alembic" if program == "__main__.py" else program
