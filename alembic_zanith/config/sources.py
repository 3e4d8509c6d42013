"""Where settings are read from.

Later wins: the default of the mode, `[tool.alembic_zanith]` in pyproject.toml, `[zanith]` in
alembic.ini, `ZANITH_*` environment variables, `-x zanith_*=…`, command-line flags.
"""

from __future__ import annotations

import configparser
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic_zanith.errors import ConfigurationError

from .settings import SETTINGS, Settings

if TYPE_CHECKING:
    from alembic.config import Config

PYPROJECT_TABLE = "alembic_zanith"
INI_SECTION = "zanith"
ENVIRONMENT_PREFIX = "ZANITH_"
X_PREFIX = "zanith_"

_MISNAMED_SECTIONS = ("alembic-zanith", "alembic_zanith", "zanith", "tool.alembic_zanith")


@dataclass(frozen=True)
class _Entry:
    """A value as one source has it; `place` says where, for messages."""

    key: str
    value: object
    place: str


def load_settings(
    alembic_config: Config | None,
    x_arguments: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Read the settings of the project that `alembic_config` belongs to.

    `x_arguments` default to those on the command line, `environ` to the process's environment.
    An empty environment variable counts as not set. Without a config only the environment and
    the arguments are read.

    Raises `ConfigurationError` for an unknown key, naming where it stood and the nearest known
    one, and for a value that is not allowed, naming those that are.

    Example::

        settings = load_settings(context.config)
        settings.drop_strategy
    """
    return _settings(
        _entries(alembic_config, x_arguments, os.environ if environ is None else environ)
    )


def _settings(entries: Iterable[_Entry]) -> Settings:
    values = {entry.key: _parsed(entry) for entry in entries}
    mode = values.get("mode", SETTINGS["mode"].default)
    defaults = {name: setting.default_in(mode) for name, setting in SETTINGS.items()}
    return Settings(**{**defaults, **values})


def _parsed(entry: _Entry) -> Any:
    try:
        return SETTINGS[entry.key].parse(entry.value)
    except ValueError as error:
        raise ConfigurationError(f"{entry.place}: {entry.value!r} {error}") from None


def _entries(
    config: Config | None, x_arguments: Mapping[str, str] | None, environ: Mapping[str, str]
) -> Iterator[_Entry]:
    """Yield what every source says, the weakest source first."""
    if config is not None:
        yield from _pyproject_entries(config)
        yield from _ini_entries(config)
    yield from _environment_entries(environ)
    yield from _x_entries(_x_arguments(config) if x_arguments is None else x_arguments)
    if config is not None:
        yield from _flag_entries(config)


def _pyproject_entries(config: Config) -> Iterator[_Entry]:
    path = _pyproject_path(config)
    if path is None:
        return
    try:
        tool = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {})
    except (tomllib.TOMLDecodeError, OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from None
    _refuse_misnamed(tool, PYPROJECT_TABLE, f"{path} has [tool.{{}}]", f"[tool.{PYPROJECT_TABLE}]")
    table = tool.get(PYPROJECT_TABLE, {})
    place = f"{path} [tool.{PYPROJECT_TABLE}]"
    if not isinstance(table, Mapping):
        raise ConfigurationError(f"{place} is not a table of settings.")
    for key, value in table.items():
        yield _entry(key, value, f"{place} {key}")


def _pyproject_path(config: Config) -> Path | None:
    """Return Alembic's pyproject.toml, else the nearest one at or above the ini file.

    Alembic's command line always names one, `pyproject.toml` in the current folder; a `Config`
    that was made in code, as Flask-Migrate does, names none.
    """
    # Alembic names it since 1.16: https://alembic.sqlalchemy.org/en/latest/api/config.html
    if config.toml_file_name is not None and Path(config.toml_file_name).is_file():
        return Path(config.toml_file_name)
    if config.config_file_name is None:
        return None
    folder = Path(config.config_file_name).absolute().parent
    candidates = (parent / "pyproject.toml" for parent in (folder, *folder.parents))
    return next((path for path in candidates if path.is_file()), None)


def _ini_entries(config: Config) -> Iterator[_Entry]:
    parser = config.file_config
    name = config.config_file_name or "the Alembic configuration"
    _refuse_misnamed(parser.sections(), INI_SECTION, f"{name} has [{{}}]", f"[{INI_SECTION}]")
    if not parser.has_section(INI_SECTION):
        return
    place = f"{name} [{INI_SECTION}]"
    # A section also shows the keys of [DEFAULT] and Alembic's own `here`.
    keys = [
        key for key in parser.options(INI_SECTION) if key in SETTINGS or not _shared(parser, key)
    ]
    for key in keys:
        try:
            value = parser.get(INI_SECTION, key)
        except configparser.InterpolationError as error:
            raise ConfigurationError(f"{place} {key}: {error} Write %% for a plain %.") from None
        yield _entry(key, value, f"{place} {key}")


def _shared(parser: configparser.ConfigParser, key: str) -> bool:
    return key in parser.defaults()


def _environment_entries(environ: Mapping[str, str]) -> Iterator[_Entry]:
    for name in sorted(environ):
        if name.upper().startswith(ENVIRONMENT_PREFIX) and environ[name].strip():
            place = f"environment variable {name}"
            yield _entry(name, environ[name], place, ENVIRONMENT_PREFIX)


def _x_arguments(config: Config | None) -> Mapping[str, str]:
    given = getattr(config.cmd_opts, "x", None) if config is not None else None
    pairs = (argument.partition("=") for argument in given or ())
    return {key: value for key, _, value in pairs}


def _x_entries(arguments: Mapping[str, str]) -> Iterator[_Entry]:
    for name, value in arguments.items():
        if name.lower().replace("-", "_").startswith(X_PREFIX):
            yield _entry(name, value, f"-x {name}", X_PREFIX)


def _flag_entries(config: Config) -> Iterator[_Entry]:
    """Yield the flags of our own that Alembic's parser holds as `zanith_<key>`."""
    for key in SETTINGS:
        value = getattr(config.cmd_opts, X_PREFIX + key, None)
        if value is not None:
            yield _Entry(key, value, f"--{key.replace('_', '-')}")


def flag_values(config: Config | None) -> dict[str, object]:
    """Return the flags of our own that are on the command line, with their values."""
    return {} if config is None else {entry.place: entry.value for entry in _flag_entries(config)}


def project_settings(config: Config | None) -> Settings:
    """Return what the project's files say, whatever environment and command line do.

    Raises `ConfigurationError` as `load_settings` does.
    """
    if config is None:
        return _settings(())
    return _settings((*_pyproject_entries(config), *_ini_entries(config)))


def flags_given(config: Config | None) -> list[str]:
    """Return the flags of our own that are on the command line."""
    return [] if config is None else [entry.place for entry in _flag_entries(config)]


def _entry(name: str, value: object, place: str, prefix: str = "") -> _Entry:
    """Return the entry of the key that is spelled `name`, or refuse a name that is none."""
    keys = {_spelled(prefix, key): key for key in SETTINGS}
    if name in keys:
        return _Entry(keys[name], value, place)
    bare = name.lower().replace("-", "_").removeprefix(prefix.lower())
    nearest = get_close_matches(bare, SETTINGS, n=1, cutoff=0.5)
    hint = "".join(f" Did you mean {_spelled(prefix, key)!r}?" for key in nearest)
    raise ConfigurationError(
        f"{place}: there is no setting {name!r}.{hint} The settings are {', '.join(sorted(keys))}."
    )


def _spelled(prefix: str, key: str) -> str:
    return prefix + (key.upper() if prefix.isupper() else key)


def _refuse_misnamed(sections: Iterable[str], right: str, found: str, correct: str) -> None:
    """Refuse a section that was surely meant for us but would be ignored."""
    for name in sections:
        if name in _MISNAMED_SECTIONS and name != right:
            raise ConfigurationError(
                f"{found.format(name)}, which is not read. Its name is {correct}."
            )
