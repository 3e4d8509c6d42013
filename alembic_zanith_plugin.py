"""Entry point of group `alembic.plugins`: gives the `alembic` command its `zanith-*` commands.

Alembic loads this module in every project of the environment, while `import alembic` is half
done. So it imports nothing of the package `alembic_zanith` (only `import alembic_zanith` in env.py
may switch a project on), nor click or rich, until one of its commands is used.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import wrapt

if TYPE_CHECKING:
    from argparse import ArgumentParser, _SubParsersAction

    from alembic.config import CommandLine, Config
    from alembic.runtime.plugins import Plugin

RECOVER = "zanith-recover"


def setup(plugin: Plugin) -> None:
    """Extend Alembic's command line as soon as `alembic.config` has been imported."""
    wrapt.register_post_import_hook(_extend_command_line, "alembic.config")


def _extend_command_line(config_module: ModuleType) -> None:
    """Wrap `CommandLine.__init__`, so that each parser built has our commands.

    The documented way to add a command, `CommandLine.register_command`, is for scripts that make
    a `CommandLine` of their own; the `alembic` script offers no place to call it from. (This wrap
    is not with the others in `alembic_zanith.hooks`, because that would import the package.)
    """
    wrapt.wrap_function_wrapper(config_module, "CommandLine.__init__", _init_with_our_commands)


def _init_with_our_commands(
    wrapped: Callable[..., None],
    instance: CommandLine,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> None:
    wrapped(*args, **kwargs)
    add_commands(instance.subparsers)


def add_commands(subparsers: _SubParsersAction[ArgumentParser]) -> None:
    """Add the `zanith-*` commands to Alembic's own."""
    # With no prefix character, "--help" and all the rest after the name are plain arguments:
    # click reads them.
    parser = subparsers.add_parser(
        RECOVER,
        help="List, restore, export and purge what reversible drops have parked.",
        add_help=False,
        prefix_chars="\0",
    )
    parser.add_argument("zanith_arguments", nargs="*")
    parser.set_defaults(cmd=(zanith_recover, ["zanith_arguments"], []))


def zanith_recover(config: Config, arguments: Sequence[str]) -> None:
    """Run `alembic zanith-recover` with the arguments after its name."""
    from alembic_zanith.cli import recover

    recover(config, arguments)


class _PluginModule(ModuleType):
    """A module that is also the collection of itself.

    Before 1.20.1 Alembic iterates over what the entry point loads, and every `alembic` command
    fails on a plain module; since then it takes a module and warns about collections.
    """

    def __iter__(self) -> Iterator[ModuleType]:
        yield self


sys.modules[__name__].__class__ = _PluginModule
