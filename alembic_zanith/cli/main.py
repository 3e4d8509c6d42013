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


def verify(config: Config, arguments: Sequence[str]) -> NoReturn:
    """Run `zanith-verify` with these arguments on the project of an Alembic config.

    Ends like a program, with `SystemExit`: status 0 for the verdict ok, 3 for drift, 4 for
    apply-failed, 5 for shadow-unreachable, 2 where nothing could be begun.

    Example::

        verify(Config("alembic.ini"), ["--topology", "database", "--sample", "1000"])
    """
    from .project import Project
    from .verify_command import VERIFY, zanith_verify

    zanith_verify.main(
        list(arguments), prog_name=f"{_program()} {VERIFY}", obj=Project(config, VERIFY)
    )
    raise SystemExit(0)


def drift(config: Config, arguments: Sequence[str]) -> NoReturn:
    """Run `zanith-drift` with these arguments on the project of an Alembic config.

    Ends like a program, with `SystemExit`: status 0 where production is what its history says, 3
    where it is not, 4 where the history does not run, 5 where there is no shadow, 2 where nothing
    could be begun.

    Example::

        drift(Config("alembic.ini"), ["--json"])
    """
    from .drift_command import DRIFT, zanith_drift
    from .project import Project

    zanith_drift.main(
        list(arguments), prog_name=f"{_program()} {DRIFT}", obj=Project(config, DRIFT)
    )
    raise SystemExit(0)


def history(config: Config, arguments: Sequence[str]) -> NoReturn:
    """Run `zanith-history` with these arguments on the project of an Alembic config.

    Ends like a program, with `SystemExit`: status 0 on success, 1 on failure, 2 on wrong usage.

    Example::

        history(Config("alembic.ini"), ["--since", "7d", "--json"])
    """
    from .history_command import HISTORY, zanith_history
    from .project import Project

    zanith_history.main(
        list(arguments), prog_name=f"{_program()} {HISTORY}", obj=Project(config, HISTORY)
    )
    raise SystemExit(0)


def report(config: Config, arguments: Sequence[str]) -> NoReturn:
    """Run `zanith-report` with these arguments on the project of an Alembic config.

    Ends like a program, with `SystemExit`: status 0 on success, else 2.

    Example::

        report(Config("alembic.ini"), ["--html", "migrations.html"])
    """
    from .project import Project
    from .report_command import REPORT, zanith_report

    zanith_report.main(
        list(arguments), prog_name=f"{_program()} {REPORT}", obj=Project(config, REPORT)
    )
    raise SystemExit(0)


def expand(config: Config, arguments: Sequence[str]) -> NoReturn:
    """Run `zanith-expand` with these arguments on the project of an Alembic config.

    Ends like a program, with `SystemExit`: status 0 on success, 1 on failure, 2 on wrong usage.

    Example::

        expand(Config("alembic.ini"), ["rename", "users.full_name", "name"])
    """
    from .expand_command import EXPAND, zanith_expand
    from .project import Project

    zanith_expand.main(
        list(arguments), prog_name=f"{_program()} {EXPAND}", obj=Project(config, EXPAND)
    )
    raise SystemExit(0)


def _program() -> str:
    program = PurePath(sys.argv[0]).name if sys.argv and sys.argv[0] else "alembic"
    return "alembic" if program == "__main__.py" else program
