"""Settings: where they are read from, which source wins, and what is refused."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.config import CommandLine, Config

from alembic_zanith.config import (
    SETTINGS,
    DetectRenames,
    DropStrategy,
    Mode,
    Settings,
    ShadowCheck,
    StrategyOverride,
    UnknownTables,
    load_settings,
)
from alembic_zanith.errors import ConfigurationError
from tests.conftest import MakeProject
from tests.support.project import Project


def ini(folder: Path, section: str) -> Config:
    """A Config on an alembic.ini with this text as its [zanith] section."""
    path = folder / "alembic.ini"
    path.write_text(f"[alembic]\nscript_location = migrations\n\n[zanith]\n{section}\n")
    return Config(path)


def pyproject(folder: Path, text: str) -> Config:
    """A Config on a pyproject.toml with this text under [tool.alembic_zanith]."""
    path = folder / "pyproject.toml"
    path.write_text(f"[tool.alembic]\n\n[tool.alembic_zanith]\n{text}\n")
    return Config(toml_file=path)


def settings(config: Config | None = None, **sources: dict[str, str]) -> Settings:
    return load_settings(config, sources.get("x", {}), sources.get("environ", {}))


def refusal(config: Config | None = None, **sources: dict[str, str]) -> str:
    with pytest.raises(ConfigurationError) as caught:
        settings(config, **sources)
    return str(caught.value)


def in_mode(mode: Mode) -> Settings:
    """The defaults of a mode."""
    return settings(environ={"ZANITH_MODE": mode.value})


def test_nothing_configured_means_the_defaults() -> None:
    assert settings() == Settings(
        mode=Mode.STAGING,
        archive_schema="_zanith_archive",
        retention_days=30,
        drop_strategy=DropStrategy.SOFT_DROP,
        drop_strategy_overrides=(),
        unknown_tables=UnknownTables.IGNORE,
        detect_renames=DetectRenames.ASK,
    )


def test_every_setting_is_read_from_the_ini_file(tmp_path: Path) -> None:
    config = ini(
        tmp_path,
        "mode = production\narchive_schema = attic\nretention_days = none\n"
        "drop_strategy = archive\nunknown_tables = drop\ndetect_renames = comment\n"
        "drop_strategy_overrides =\n    audit_* = soft_drop\n    users.tmp_* = drop",
    )
    assert settings(config) == replace(
        in_mode(Mode.PRODUCTION),
        archive_schema="attic",
        retention_days=None,
        drop_strategy=DropStrategy.ARCHIVE,
        drop_strategy_overrides=(
            StrategyOverride("audit_*", DropStrategy.SOFT_DROP),
            StrategyOverride("users.tmp_*", DropStrategy.DROP),
        ),
        unknown_tables=UnknownTables.DROP,
        detect_renames=DetectRenames.COMMENT,
    )


def test_every_setting_is_read_from_pyproject(tmp_path: Path) -> None:
    config = pyproject(
        tmp_path,
        'mode = "dev"\narchive_schema = "attic"\nretention_days = 7\ndrop_strategy = "drop"\n'
        'unknown_tables = "drop"\n'
        '[tool.alembic_zanith.drop_strategy_overrides]\n"b_*" = "archive"\n"a_*" = "drop"',
    )
    read = settings(config)
    assert (read.mode, read.archive_schema, read.retention_days) == (Mode.DEV, "attic", 7)
    assert (read.drop_strategy, read.unknown_tables) == (DropStrategy.DROP, UnknownTables.DROP)
    assert [each.pattern for each in read.drop_strategy_overrides] == ["b_*", "a_*"]


def test_every_setting_is_read_from_the_environment() -> None:
    read = settings(
        environ={
            "ZANITH_MODE": "dev",
            "ZANITH_ARCHIVE_SCHEMA": "attic",
            "ZANITH_RETENTION_DAYS": "90",
            "ZANITH_DROP_STRATEGY": "Archive",
            "ZANITH_UNKNOWN_TABLES": "drop",
            "ZANITH_DROP_STRATEGY_OVERRIDES": "a_*=drop, b.c = archive",
            "PATH": "/bin",
        }
    )
    assert (read.mode, read.archive_schema, read.retention_days) == (Mode.DEV, "attic", 90)
    assert (read.drop_strategy, read.unknown_tables) == (DropStrategy.ARCHIVE, UnknownTables.DROP)
    assert read.strategy_for("b", "c") is DropStrategy.ARCHIVE


def test_an_empty_environment_variable_is_not_set() -> None:
    assert settings(environ={"ZANITH_MODE": "", "ZANITH_RETENTION_DAYS": " "}) == Settings()


def test_x_arguments_are_read_from_the_command_line_of_alembic() -> None:
    options = CommandLine().parser.parse_args(
        ["-x", "zanith_mode=dev", "-x", "tenant=a", "-x", "data", "current"]
    )
    assert load_settings(Config(cmd_opts=options), environ={}).mode is Mode.DEV


def test_a_flag_of_the_command_line_is_read(tmp_path: Path) -> None:
    options = argparse.Namespace(x=["zanith_mode=dev"], zanith_mode="production")
    assert load_settings(Config(cmd_opts=options), environ={}).mode is Mode.PRODUCTION


def test_each_source_wins_over_the_one_before(tmp_path: Path) -> None:
    toml = tmp_path / "pyproject.toml"
    toml.write_text("[tool.alembic_zanith]\nretention_days = 1\n")
    config = Config(toml_file=toml)
    assert settings(config).retention_days == 1
    ini(tmp_path, "retention_days = 2")
    config = Config(tmp_path / "alembic.ini", toml_file=toml)
    assert settings(config).retention_days == 2
    environ = {"ZANITH_RETENTION_DAYS": "3"}
    assert settings(config, environ=environ).retention_days == 3
    x = {"zanith_retention_days": "4"}
    assert settings(config, environ=environ, x=x).retention_days == 4
    config.cmd_opts = argparse.Namespace(zanith_retention_days="5")
    assert settings(config, environ=environ, x=x).retention_days == 5


def test_a_config_made_in_code_finds_the_pyproject_above_its_ini(tmp_path: Path) -> None:
    pyproject(tmp_path, "retention_days = 9")
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "alembic.ini").write_text("[alembic]\n")
    assert settings(Config(folder / "alembic.ini")).retention_days == 9


def test_a_section_made_in_code_is_read() -> None:
    config = Config()
    config.set_section_option("zanith", "mode", "dev")
    assert settings(config).mode is Mode.DEV


def test_keys_of_the_ini_files_default_section_are_no_settings(tmp_path: Path) -> None:
    path = tmp_path / "alembic.ini"
    path.write_text("[DEFAULT]\ncolour = red\nmode = dev\n[zanith]\nretention_days = 3\n")
    assert settings(Config(path)) == replace(in_mode(Mode.DEV), retention_days=3)


def test_an_unknown_key_is_refused_with_the_nearest_one_wherever_it_stands(
    tmp_path: Path,
) -> None:
    names = ", ".join(sorted(SETTINGS))
    assert refusal(ini(tmp_path, "drop_stategy = drop")) == (
        f"{tmp_path}/alembic.ini [zanith] drop_stategy: there is no setting 'drop_stategy'. "
        f"Did you mean 'drop_strategy'? The settings are {names}."
    )
    assert refusal(pyproject(tmp_path, "archive-schema = 'a'")) == (
        f"{tmp_path}/pyproject.toml [tool.alembic_zanith] archive-schema: there is no setting "
        f"'archive-schema'. Did you mean 'archive_schema'? The settings are {names}."
    )
    assert refusal(environ={"ZANITH_MODES": "dev"}).startswith(
        "environment variable ZANITH_MODES: there is no setting 'ZANITH_MODES'. "
        "Did you mean 'ZANITH_MODE'? The settings are ZANITH_ADVISORY_LOCK, "
    )
    assert refusal(x={"zanith-mode": "dev"}).startswith(
        "-x zanith-mode: there is no setting 'zanith-mode'. Did you mean 'zanith_mode'? "
    )
    assert "Did you mean" not in refusal(x={"zanith_colour": "red"})


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("mode", "prod", "is not one of dev, staging, production. Did you mean 'production'?"),
        ("drop_strategy", "keep", "is not one of soft_drop, archive, drop."),
        ("unknown_tables", "keep", "is not one of ignore, drop."),
        ("retention_days", "-1", "is not a number of days (0 or more), or none to keep for ever."),
        ("retention_days", "1.5", "is not a number of days (0 or more), or none to keep for ever."),
        ("archive_schema", "x" * 64, "is not the name of a schema (1 to 63 bytes)."),
        (
            "archive_schema",
            "public",
            "cannot be the archive schema, which holds nothing but archives. "
            "Choose a schema of its own, for example _zanith_archive.",
        ),
        (
            "drop_strategy_overrides",
            "a.b.c.d = drop",
            "has 'a.b.c.d', which is no pattern. Write table, schema.table, table.column or "
            "schema.table.column, with * and ? in any part.",
        ),
        ("drop_strategy_overrides", "audit_*", "has 'audit_*', which is not pattern = strategy."),
        (
            "drop_strategy_overrides",
            "a = dropp",
            "has 'a' = 'dropp', which is not one of soft_drop, archive, drop. Did you mean 'drop'?",
        ),
    ],
)
def test_a_wrong_value_is_refused_with_the_right_ones(key: str, value: str, message: str) -> None:
    assert refusal(x={f"zanith_{key}": value}) == f"-x zanith_{key}: {value!r} {message}"


def test_a_wrong_type_in_pyproject_is_refused(tmp_path: Path) -> None:
    assert "True is not a number of days" in refusal(pyproject(tmp_path, "retention_days = true"))
    assert "is not a table of pattern" in refusal(
        pyproject(tmp_path, "drop_strategy_overrides = ['a']")
    )


def test_a_broken_file_is_refused_by_name(tmp_path: Path) -> None:
    assert refusal(pyproject(tmp_path, "mode =")).startswith(f"{tmp_path}/pyproject.toml cannot")
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "pyproject.toml").touch()
    assert "Write %% for a plain %." in refusal(ini(folder, "archive_schema = a%b"))


@pytest.mark.parametrize("name", ["alembic-zanith", "zanith"])
def test_a_misnamed_section_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(f"[tool.{name}]\nmode = 'dev'\n")
    assert refusal(Config(toml_file=path)) == (
        f"{path} has [tool.{name}], which is not read. Its name is [tool.alembic_zanith]."
    )


def test_a_misnamed_section_of_the_ini_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "alembic.ini"
    path.write_text("[alembic_zanith]\nmode = dev\n")
    assert refusal(Config(path)) == (
        f"{path} has [alembic_zanith], which is not read. Its name is [zanith]."
    )


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("audit_*", ("shop", "audit_log", None), ("shop", "log", None)),
        ("audit_*", ("shop", "audit_log", "at"), ("audit_x", "log", "audit_at")),
        ("shop.*", ("shop", "log", None), ("other", "log", None)),
        ("users.legacy_*", ("shop", "users", "legacy_id"), ("shop", "users", None)),
        ("shop.users.x", ("shop", "users", "x"), ("public", "users", "x")),
        ('"Order Lines".note', ("shop", "Order Lines", "note"), ("shop", "order", "note")),
    ],
)
def test_a_pattern_matches_part_by_part(
    pattern: str, matching: tuple[str, str, str | None], other: tuple[str, str, str | None]
) -> None:
    override = StrategyOverride(pattern, DropStrategy.DROP)
    assert override.matches(*matching)
    assert not override.matches(*other)


def test_the_first_matching_pattern_counts() -> None:
    read = settings(x={"zanith_drop_strategy_overrides": "a_keep=archive,a_*=drop"})
    assert read.strategy_for("public", "a_keep") is DropStrategy.ARCHIVE
    assert read.strategy_for("public", "a_other") is DropStrategy.DROP
    assert read.strategy_for("public", "b") is DropStrategy.SOFT_DROP


def test_every_setting_says_what_it_means_and_is_in_the_docs() -> None:
    docs = Path(__file__).parent.parent.joinpath("docs", "configuration.md").read_text()
    for setting in SETTINGS.values():
        assert setting.doc.endswith(".")
        assert f"`{setting.name}`" in docs


@pytest.mark.parametrize("template", ["generic", "pyproject"])
def test_a_wrong_setting_stops_the_command_without_a_traceback(
    make_project: MakeProject, template: str
) -> None:
    project: Project = make_project(template)
    project.settings(drop_stategy="drop")
    result = project.alembic("check")
    assert result.exit_code != 0
    assert "FAILED: " in result.output
    assert "Did you mean 'drop_strategy'?" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (Mode.DEV, (100, True, False, False, ShadowCheck.OFF, None, False)),
        (Mode.STAGING, (80, False, True, True, ShadowCheck.RECOMMENDED, 5_000, True)),
        (Mode.PRODUCTION, (60, False, True, True, ShadowCheck.REQUIRED, 5_000, True)),
    ],
)
def test_a_mode_sets_the_gates(mode: Mode, expected: tuple[object, ...]) -> None:
    read = in_mode(mode)
    assert expected == (
        read.max_risk,
        read.allow_destructive,
        read.advisory_lock,
        read.preflight,
        read.shadow_check,
        read.lock_timeout,
        read.require_transaction,
    )


def test_production_has_ceilings_of_rows() -> None:
    read = in_mode(Mode.PRODUCTION)
    ceilings = (read.max_rewrite_rows, read.max_scan_rows, read.max_lost_rows)
    assert ceilings == (1_000_000, 10_000_000, 10_000)
    assert (
        settings(x={"zanith_mode": "production", "zanith_max_scan_rows": "none"}).max_scan_rows
        is None
    )


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("max_risk", "-1", "is not a score from 0 to 100"),
        ("allow_destructive", "maybe", "is not one of true, false, yes, no, on, off."),
        ("destructive_ops", "protct", "is not one of refuse, protect. Did you mean 'protect'?"),
        ("lock_timeout", "5", "is not a time with its unit (500ms, 5s, 2min, 1h, 7d), or none."),
        ("lock_retries", "often", "is not a whole number, 0 or more."),
        ("max_lost_rows", "few", "is not a number of rows (0 or more), or none for no limit."),
        ("plan", "guess", "is not one of record, static."),
        ("shadow_check", "on", "is not one of off, recommended, required."),
    ],
)
def test_a_wrong_value_of_a_gate_names_the_right_ones(key: str, value: str, message: str) -> None:
    assert message in refusal(x={f"zanith_{key}": value})
