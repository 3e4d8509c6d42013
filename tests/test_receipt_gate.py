"""Gate 6 in real upgrades: what was rehearsed runs, and all else leaves the database as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alembic_zanith.gates.receipt import write_receipt
from tests.conftest import MakeProject
from tests.support.database import Database
from tests.support.project import Project
from tests.support.receipts import pending_in, receipt, rehearsal, write_for

TABLES = "SELECT relname FROM pg_class WHERE relname LIKE 'made_%' ORDER BY 1"


def made(database: Database) -> list[str]:
    return [name for (name,) in database.rows(TABLES)]


def make(name: str) -> str:
    return f"op.create_table('made_{name}', sa.Column('id', sa.Integer))"


def add_revisions(project: Project) -> Project:
    for revision in "abc":
        project.revision(make(revision), f"op.drop_table('made_{revision}')", rev_id=revision)
    return project


@pytest.fixture
def shop(project: Project) -> Project:
    """A project in production that is at a; b and c are pending."""
    add_revisions(project)
    project.upgrade("a")
    project.settings(mode="production")
    return project


def script_of(project: Project, revision: str) -> Path:
    (path,) = project.versions.glob(f"{revision}_*.py")
    return path


def state(database: Database) -> tuple[str, list[tuple[str]]]:
    return database.dump(), database.rows("SELECT version_num FROM alembic_version")


def refusal(project: Project, *arguments: str) -> str:
    """Upgrade, which is refused and changes nothing; return what was said, on one line."""
    before = state(project.database)
    refused = project.alembic("upgrade", *(arguments or ["head"])).failed()
    assert state(project.database) == before
    assert "gate shadow-verified: " in refused.output
    return " ".join(refused.output.split())


# -- good --------------------------------------------------------------------------------


@pytest.mark.majors
def test_what_was_rehearsed_runs_in_production(shop: Project) -> None:
    write_for(shop, "head", "a")
    shop.alembic("upgrade", "head").succeeded()
    assert made(shop.database) == ["made_a", "made_b", "made_c"]


@pytest.mark.majors
def test_a_rehearsal_on_another_major_version_is_none(shop: Project) -> None:
    write_for(shop, "head", "a", server_version="13.22")
    version = shop.database.scalar("SHOW server_version")
    assert f"on PostgreSQL 13.22, and the server has {version}. Run" in refusal(shop)


def test_a_part_that_was_rehearsed_runs(shop: Project) -> None:
    write_for(shop, "b", "a")
    shop.alembic("upgrade", "+1").succeeded()
    assert made(shop.database) == ["made_a", "made_b"]


def test_the_flag_lets_what_was_rehearsed_run_in_any_mode(shop: Project) -> None:
    for mode in ("dev", "staging"):
        assert "--shadow-verified asks for" in refusal(
            shop, "head", "--mode", mode, "--shadow-verified"
        )
    write_for(shop, "head", "a")
    shop.alembic("upgrade", "head", "--mode", "dev", "--shadow-verified").succeeded()
    assert made(shop.database) == ["made_a", "made_b", "made_c"]


def test_it_is_where_the_setting_says(shop: Project) -> None:
    (shop.root / "build").mkdir()
    write_for(shop, "head", "a", at="build/receipt.json")
    missing = "There is no receipt of a rehearsal: the file zanith-verify.json does not exist."
    assert missing in refusal(shop)
    shop.alembic("-x", "zanith_receipt=build/receipt.json", "upgrade", "head").succeeded()


def test_the_whole_refusal_reads_like_this(shop: Project) -> None:
    assert (
        "Refused, nothing has run: the upgrade does not pass the gates of mode production.\n"
        "\n"
        "1. gate shadow-verified: mode production asks for the receipt of a rehearsal. There is no "
        "receipt of a rehearsal: the file zanith-verify.json does not exist. Run alembic "
        "zanith-verify.\n"
        "   instead: To run without a rehearsal, add --skip-shadow-check.\n"
    ) in shop.alembic("upgrade", "head").failed().output


# -- refused -----------------------------------------------------------------------------


def edited_by_hand(project: Project) -> None:
    path = write_for(project, "head", "a", verdict="drift")
    document = json.loads(path.read_text())
    document["rehearsals"][0]["verdict"] = "ok"
    path.write_text(json.dumps(document))


def too_old(project: Project) -> None:
    scripts = pending_in(project, "head", "a")
    yesterday = datetime.now(UTC) - timedelta(hours=25)
    path = project.root / "zanith-verify.json"
    write_receipt(path, receipt(rehearsal(scripts, "a"), created_at=yesterday))


def script_edited(project: Project) -> None:
    write_for(project, "head", "a")
    script = script_of(project, "c")
    script.write_text(script.read_text().replace("made_c", "made_x"))


def one_more_revision(project: Project) -> None:
    write_for(project, "head", "a")
    project.revision(make("d"), rev_id="d")


def one_on_the_way(project: Project) -> None:
    write_for(project, "head", "a")
    project.revision(make("d"), rev_id="d", head="a", splice=True)
    project.revision(rev_id="m", head="heads")


def moved_on(project: Project) -> None:
    write_for(project, "head", "a")
    project.alembic("upgrade", "b", "--skip-shadow-check").succeeded()


def moved_aside(project: Project) -> None:
    """The same is pending, and something else is not."""
    project.revision(make("d"), rev_id="d", head="base", splice=True)
    write_for(project, "c", "a")
    project.alembic("upgrade", "d", "--skip-shadow-check").succeeded()


SPOILED: dict[str, tuple[Callable[[Project], object], str]] = {
    "no receipt": (lambda project: None, "the file zanith-verify.json does not exist. Run alembic"),
    "a directory": (
        lambda project: (project.root / "zanith-verify.json").mkdir(),
        "The receipt zanith-verify.json is no file.",
    ),
    "no JSON": (
        lambda project: (project.root / "zanith-verify.json").write_text("ok"),
        "The receipt zanith-verify.json is no JSON. Run alembic zanith-verify again.",
    ),
    "edited by hand": (edited_by_hand, "The receipt zanith-verify.json was edited by hand: "),
    "too old": (too_old, "is too old: 1 day, 1:00:0"),
    "a script edited": (
        script_edited,
        "Revision c was edited after its rehearsal: migrations/versions/c_step.py is not the file",
    ),
    "one more revision": (one_more_revision, "d was not rehearsed and would run."),
    "one on the way": (one_on_the_way, "d, m were not rehearsed and would run."),
    "moved on": (moved_on, "b was rehearsed and would not run."),
    "not ok": (
        lambda project: write_for(project, "head", "a", verdict="drift"),
        "that was not ok, but ended as drift. Run alembic zanith-verify again, and see why.",
    ),
    "from elsewhere": (
        lambda project: write_for(project, "head", "a", heads=("x",)),
        "of a rehearsal that began at x, and the database is at a.",
    ),
}


@pytest.mark.parametrize("how", SPOILED)
def test_what_was_not_rehearsed_is_refused_and_changes_nothing(shop: Project, how: str) -> None:
    spoil, message = SPOILED[how]
    spoil(shop)
    assert message in refusal(shop)


def test_one_step_of_several_that_were_rehearsed_is_refused(shop: Project) -> None:
    write_for(shop, "head", "a")
    assert "c was rehearsed and would not run." in refusal(shop, "+1")


def test_another_branch_that_has_moved_is_noticed(shop: Project) -> None:
    moved_aside(shop)
    message = "of a rehearsal that began at a, and the database is at a, d."
    assert message in refusal(shop, "c")


def test_a_mode_of_the_projects_own_can_ask_for_it(project: Project) -> None:
    add_revisions(project)
    project.settings(mode="dev", shadow_check="required")
    assert "gate shadow-verified: shadow_check = required asks for the receipt" in " ".join(
        project.alembic("upgrade", "head").failed().output.split()
    )
    write_for(project)
    project.upgrade()


def test_a_script_that_env_py_rewrites_is_not_what_was_loaded(shop: Project) -> None:
    """As by somebody else, between the moment that it is loaded and the check."""
    write_for(shop, "head", "a")
    script = script_of(shop, "c")
    shop.edit_env(
        r"^        with context\.begin_transaction\(\):",
        f"        from pathlib import Path\n"
        f"        context.script.revision_map.heads\n"
        f"        file = Path({str(script)!r})\n"
        f"        file.write_text(file.read_text().replace('made_c', 'made_x'))\n"
        r"\g<0>",
    )
    message = "Revision c is not loaded from what migrations/versions/c_step.py has now"
    assert message in refusal(shop)


# -- not asked ---------------------------------------------------------------------------


def test_a_rehearsal_can_be_skipped(shop: Project) -> None:
    edited_by_hand(shop)
    shop.alembic("upgrade", "head", "--skip-shadow-check").succeeded()
    assert made(shop.database) == ["made_a", "made_b", "made_c"]


@pytest.mark.parametrize("flags", [[], ["--shadow-verified"]])
def test_a_downgrade_needs_no_rehearsal(shop: Project, flags: list[str]) -> None:
    shop.alembic("downgrade", "base", *flags).succeeded()
    assert made(shop.database) == []


def test_nothing_pending_needs_no_rehearsal(shop: Project) -> None:
    shop.alembic("upgrade", "head", "--skip-shadow-check").succeeded()
    shop.alembic("upgrade", "head").succeeded()
    shop.alembic("upgrade", "head", "--shadow-verified").succeeded()


# -- recommended -------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["no receipt", "edited by hand", "too old", "one more revision"])
def test_where_it_is_recommended_nothing_is_said_of_it(shop: Project, how: str) -> None:
    SPOILED[how][0](shop)
    done = shop.alembic("upgrade", "head", "--mode", "staging").succeeded()
    assert "receipt" not in done.output
    assert "rehears" not in done.output


def test_where_it_is_recommended_an_edit_since_is_told(shop: Project) -> None:
    script_edited(shop)
    done = shop.alembic("upgrade", "head", "--mode", "staging").succeeded()
    assert "WARNI [alembic.zanith] Revision c was edited after its rehearsal: " in done.stderr
    assert made(shop.database) == ["made_a", "made_b", "made_x"]


@pytest.mark.parametrize(
    "arguments", [["--mode", "dev"], ["--mode", "staging", "--skip-shadow-check"]]
)
def test_where_nobody_asks_nothing_is_told(shop: Project, arguments: list[str]) -> None:
    script_edited(shop)
    assert "rehears" not in shop.alembic("upgrade", "head", *arguments).succeeded().output


# -- plans, and SQL ----------------------------------------------------------------------


def test_a_plan_says_what_the_upgrade_would(shop: Project) -> None:
    refused = shop.alembic("zanith-plan")
    assert refused.exit_code == 1
    entry = "\n".join(
        line for line in refused.stdout.splitlines() if "gate shadow-verified" in line
    ).strip()
    assert entry
    assert entry in shop.alembic("upgrade", "head").failed().output
    assert entry in shop.alembic("upgrade", "head", "--dry-run").succeeded().stdout
    write_for(shop, "head", "a")
    assert shop.alembic("zanith-plan").succeeded().stdout.endswith("PASS (mode production)\n")
    assert shop.alembic("zanith-plan", "b").exit_code == 1
    assert "PASS" in shop.alembic("upgrade", "head", "--dry-run").succeeded().stdout
    moved_on(shop)
    assert shop.alembic("zanith-plan").exit_code == 1


def test_a_plan_without_a_database_compares_the_scripts(shop: Project) -> None:
    write_for(shop, "head", "a", server_version="13.1")
    for where in (["--offline"], []):
        result = shop.alembic("zanith-plan", "a:head", *where)
        assert (result.exit_code == 0) == (where == ["--offline"]), result.output
    assert shop.alembic("zanith-plan", "b:head", "--offline").exit_code == 1
    shop.alembic(
        "zanith-plan",
        "c:a",
        "--downgrade",
        "--offline",
        "--mode",
        "staging",
        "--shadow-verified",
        "--allow-destructive",
    ).succeeded()
    script_edited(shop)
    refused = shop.alembic("zanith-plan", "a:head", "--offline")
    assert refused.exit_code == 1
    assert "Revision c was edited after its rehearsal" in refused.stdout


def test_a_plan_of_a_range_does_not_ask_where_the_database_stands(shop: Project) -> None:
    write_for(shop, "c", "b")
    shop.alembic("zanith-plan", "b:c").succeeded()
    assert shop.alembic("zanith-plan", "a:c").exit_code == 1


def test_sql_is_written_for_what_was_rehearsed(shop: Project) -> None:
    write_for(shop, "head", "a", server_version="13.1")
    written = shop.alembic("upgrade", "a:head", "--sql").succeeded().stdout
    assert "CREATE TABLE made_b" in written
    for other in ("head", "a:b", "b:head"):
        refused = shop.alembic("upgrade", other, "--sql").failed()
        assert "gate shadow-verified" in refused.output
        assert "CREATE TABLE made_" not in refused.stdout


# -- other projects ----------------------------------------------------------------------


@pytest.mark.parametrize("template", ["async", "pyproject"])
def test_other_templates(make_project: MakeProject, template: str) -> None:
    project = add_revisions(make_project(template))
    project.settings(mode="production")
    assert "does not exist" in project.alembic("upgrade", "head").failed().output
    assert made(project.database) == []
    write_for(project)
    project.upgrade()
    assert made(project.database) == ["made_a", "made_b", "made_c"]


def test_each_of_several_databases_needs_its_own(make_project: MakeProject) -> None:
    project = make_project("multidb")
    project.revision(make("a"), rev_id="a")
    project.settings(mode="production")
    scripts = pending_in(project)
    version = str(project.database.scalar("SHOW server_version"))
    names = ("engine1", "engine2")
    each = [rehearsal(scripts, database=name, server_version=version) for name in names]
    path = project.root / "zanith-verify.json"
    now = datetime.now(UTC)
    write_receipt(path, receipt(each[0], created_at=now))
    refused = " ".join(project.alembic("upgrade", "head").failed().output.split())
    assert "is not about the database engine2, but about engine1." in refused
    assert made(project.database) == []
    assert project.alembic("zanith-plan", "base:a", "--offline").exit_code == 1
    write_receipt(path, receipt(*each, created_at=now))
    project.alembic("zanith-plan", "base:a", "--offline").succeeded()
    project.alembic("zanith-plan").succeeded()
    project.upgrade()
    assert made(project.database) == ["made_a"]
