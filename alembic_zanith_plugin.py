"""Entry point of group `alembic.plugins`: gives the `alembic` command its `zanith-*` commands.

Alembic loads this module in every project of the environment, while `import alembic` is half
done. So it imports nothing of the package `alembic_zanith` (only `import alembic_zanith` in env.py
may switch a project on), nor click or rich, until one of its commands is used.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from argparse import Action, ArgumentParser, _SubParsersAction
    from importlib.machinery import ModuleSpec

    from alembic.config import CommandLine, Config
    from alembic.runtime.plugins import Plugin

COMMAND_LINE_MODULE = "alembic.config"
RECOVER = "zanith-recover"
PLAN = "zanith-plan"
VERIFY = "zanith-verify"
DRIFT = "zanith-drift"
HISTORY = "zanith-history"
REPORT = "zanith-report"
EXPAND = "zanith-expand"
GATED = ("upgrade", "downgrade")


def setup(plugin: Plugin) -> None:
    """Extend Alembic's command line, as soon as it is imported if it is not yet."""
    loaded = sys.modules.get(COMMAND_LINE_MODULE)
    if loaded is not None:
        extend_command_line(loaded)
    else:
        sys.meta_path.insert(0, _CommandLineWatcher())


class _CommandLineWatcher:
    """Waits on `sys.meta_path` for `alembic.config`, once, and extends it when it is loaded.

    While the plugin is set up `alembic.config` cannot be imported: it needs the `alembic` that is
    still loading. (wrapt has such hooks ready, but importing it takes a third of the time that
    this module may cost every `alembic` command of every project.)
    """

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name != COMMAND_LINE_MODULE:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_extend(module: ModuleType) -> None:
                execute(module)
                extend_command_line(module)

            spec.loader.exec_module = execute_and_extend  # type: ignore[method-assign]
        return spec


def extend_command_line(config_module: ModuleType) -> None:
    """Wrap `CommandLine.__init__`, so that each parser built has our commands.

    The documented way to add a command, `CommandLine.register_command`, is for scripts that make
    a `CommandLine` of their own; the `alembic` script offers no place to call it from. (This wrap
    is not with the others in `alembic_zanith.hooks`, because that would import the package.)
    """
    command_line = config_module.CommandLine
    command_line.__init__ = _adding_our_commands(command_line.__init__)


def _adding_our_commands(init: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(init)
    def with_our_commands(self: CommandLine, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        # A subclass that builds another parser has no place for them.
        subparsers = getattr(self, "subparsers", None)
        if subparsers is not None:
            add_commands(subparsers)
            for name in GATED:
                if name in subparsers.choices:
                    add_flags(subparsers.choices[name])

    return with_our_commands


def add_commands(subparsers: _SubParsersAction[ArgumentParser]) -> None:
    """Add the `zanith-*` commands to Alembic's own."""
    for name, run, what in (
        (
            RECOVER,
            zanith_recover,
            "List, restore, export and purge what reversible drops have parked.",
        ),
        (PLAN, zanith_plan, "Show what pending revisions do, and if the gates let them pass."),
        (VERIFY, zanith_verify, "Rehearse pending revisions on a shadow database."),
        (DRIFT, zanith_drift, "Show what was changed in the database by hand."),
        (HISTORY, zanith_history, "Show what has run, and the schema as it was."),
        (REPORT, zanith_report, "Write a page about what has run."),
        (EXPAND, zanith_expand, "Write the revisions that rename or retype a column in two steps."),
    ):
        # With no prefix character, "--help" and all the rest after the name are plain arguments:
        # click reads them.
        parser = subparsers.add_parser(name, help=what, add_help=False, prefix_chars="\0")
        parser.add_argument("zanith_arguments", nargs="*")
        parser.set_defaults(cmd=(run, ["zanith_arguments"], []))


def add_flags(parser: ArgumentParser) -> None:
    """Add the flags of the gates to a command of Alembic's."""
    group = parser.add_argument_group("gates of alembic-zanith")
    # The settings of the same names read them as zanith_<name>.
    group.add_argument(
        "--max-risk",
        dest="zanith_max_risk",
        metavar="N",
        action=_switching_on(),
        help="Refuse operations that score above N (0 to 100).",
    )
    group.add_argument(
        "--mode",
        dest="zanith_mode",
        metavar="MODE",
        action=_switching_on(),
        help="dev, staging or production, in place of the project's own.",
    )
    for flag, what in (
        ("--allow-destructive", "Let operations that lose data run."),
        ("--dry-run", "Print the plan with its risks; run nothing."),
        ("--shadow-verified", "Refuse to run without the receipt of zanith-verify."),
        ("--skip-shadow-check", "Run without such a receipt."),
    ):
        group.add_argument(
            flag,
            dest=f"zanith_{flag[2:].replace('-', '_')}",
            action=_switching_on(),
            nargs=0,
            const=True,
            help=what,
        )


def _switching_on() -> type[Action]:
    """Return an action that stores a flag and switches the package on.

    Where env.py does not import the package, a flag would be ignored without a word.
    """
    import argparse

    class StoreAndSwitchOn(argparse.Action):
        def __call__(
            self,
            parser: ArgumentParser,
            namespace: argparse.Namespace,
            values: Any,
            option_string: str | None = None,
        ) -> None:
            import alembic_zanith  # noqa: F401

            setattr(namespace, self.dest, self.const if self.nargs == 0 else values)

    return StoreAndSwitchOn


def zanith_recover(config: Config, arguments: Sequence[str]) -> None:
    """Run `alembic zanith-recover` with the arguments after its name."""
    from alembic_zanith.cli import recover

    recover(config, arguments)


def zanith_plan(config: Config, arguments: Sequence[str]) -> None:
    """Run `alembic zanith-plan` with the arguments after its name."""
    from alembic_zanith.cli import plan

    plan(config, arguments)


def zanith_verify(config: Config, arguments: Sequence[str]) -> None:
    """Run `alembic zanith-verify` with the arguments after its name."""
    from alembic_zanith.cli import verify

    verify(config, arguments)


def zanith_drift(config: Config, arguments: Sequence[str]) -> None:
    """Run `alembic zanith-drift` with the arguments after its name."""
    from alembic_zanith.cli import drift

    drift(config, arguments)


def zanith_history(config: Config, arguments: Sequence[str]) -> None:
    """Run `alembic zanith-history` with the arguments after its name."""
    from alembic_zanith.cli import history

    history(config, arguments)


def zanith_report(config: Config, arguments: Sequence[str]) -> None:
    """Run `alembic zanith-report` with the arguments after its name."""
    from alembic_zanith.cli import report

    report(config, arguments)


def zanith_expand(config: Config, arguments: Sequence[str]) -> None:
    """Run `alembic zanith-expand` with the arguments after its name."""
    from alembic_zanith.cli import expand

    expand(config, arguments)


class _PluginModule(ModuleType):
    """A module that is also the collection of itself.

    Before 1.20.1 Alembic iterates over what the entry point loads, and every `alembic` command
    fails on a plain module; since then it takes a module and warns about collections.
    """

    def __iter__(self) -> Iterator[ModuleType]:
        yield self


sys.modules[__name__].__class__ = _PluginModule
