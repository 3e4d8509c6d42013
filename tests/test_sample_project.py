"""The sample shop is a sound Alembic project, and its demo tells the truth."""

from __future__ import annotations

import html
import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import click
import pytest
from pytest_alembic import Config, runner
from pytest_alembic import tests as standard_tests
from pytest_alembic.plugin.error import AlembicTestFailure
from pytest_alembic.runner import MigrationContext
from pytest_alembic.tests.experimental.downgrade_leaves_no_trace import (
    test_downgrade_leaves_no_trace as leaves_no_trace,
)
from rich.console import Console

from alembic_zanith.movement.progress import shown
from alembic_zanith.operations.registry import OPERATIONS
from devtools.record_demo import without_bars
from sample_project.demo import __main__ as demo
from sample_project.demo.evidence import collect, comparison
from sample_project.demo.narrator import Narrator
from sample_project.demo.stage import PROJECT, copy_project, lines_of
from tests.support.database import Database
from tests.support.project import Project, Script
from tests.support.renaming import answering
from tests.support.running import contained
from tests.support.swapping import code

ROOT = PROJECT.parent
BEFORE_THE_DROPS = "0006"
DROPS = ("0007", "0008", "0009", "0010")
AFTER_THE_DROPS = tuple(f"00{number}" for number in range(11, 20))
EXPAND_AND_CONTRACT = ("0016", "0017")
RENAME = "0018"
ONLINE_ARCHIVE = "0019"

PYTEST_ALEMBIC_TESTS = (
    standard_tests.test_single_head_revision,
    standard_tests.test_upgrade,
    standard_tests.test_model_definitions_match_ddl,
    standard_tests.test_up_down_consistency,
)


@pytest.fixture
def shop(tmp_path: Path, database: Database) -> Project:
    """A copy of the sample project on a database of its own."""
    root = tmp_path / "shop"
    root.mkdir()
    copy_project(root, database.url())
    return Project(root, database, "generic", {"engine1": database})


def seeded(shop: Project) -> Project:
    """The shop with all its rows, before anything is dropped."""
    shop.upgrade(BEFORE_THE_DROPS)
    shop.database.execute((PROJECT / "demo" / "seed.sql").read_text(encoding="utf-8"))
    return shop


def revision(shop: Project, name: str) -> Script:
    (path,) = shop.versions.glob(f"{name}_*.py")
    return Script(name, path)


def forget(shop: Project, *names: str) -> None:
    for name in names:
        revision(shop, name).path.unlink()


def run_demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sample_project.demo", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def files_of_the_checkout() -> set[Path]:
    return {path for path in PROJECT.rglob("*") if "__pycache__" not in path.parts}


def test_the_demo_gets_everything_back_and_leaves_nothing_behind() -> None:
    before = files_of_the_checkout()
    done = run_demo()
    assert done.returncode == 0, done.stdout + done.stderr
    commands = re.findall(r"^\$ alembic (.*)$", done.stdout, re.MULTILINE)
    assert [command.split(" --")[0] for command in commands] == [
        "upgrade 0006",
        "upgrade head",
        "check",
        "revision",
        "zanith-verify",
        "upgrade head",
        "check",
        "upgrade head",
        "upgrade head",
        "zanith-recover list",
        "zanith-recover inspect users.legacy_uuid",
        "zanith-recover export sessions",
        "zanith-recover restore-column users.legacy_uuid",
        "zanith-recover restore-table audit_log_2024",
        "downgrade 0006",
        "zanith-history",
    ]
    assert done.stdout.count("No new upgrade operations detected.") == 2
    assert "op.soft_drop_column('products', 'supplier_code')" in done.stdout
    refusal = (
        "1. drop_table audit_log, by execute: destructive (80), drops_table_with_data, raw_sql"
    )
    assert f"{refusal}\n   where: revision 0021" in done.stdout
    assert done.stdout.count("Exit status 255.") == 1
    assert "audit_log is parked as" in done.stdout
    rows = re.search(r"Nothing was lost: ([\d,]+) rows", done.stdout)
    assert rows is not None
    assert int(rows[1].replace(",", "")) >= 50_000
    assert "\x1b" not in done.stdout
    assert done.stderr == ""
    folder = re.search(r"copied to (\S+)\.$", done.stdout, re.MULTILINE)
    assert folder is not None
    assert not Path(folder[1]).exists()
    assert files_of_the_checkout() == before
    drawn = [line for line in drawn_lines() if line.startswith("$ ") or line.endswith("same")]
    assert len(drawn) > 10
    assert not [line for line in drawn_lines() if "━" in line]
    assert set(drawn) <= set(done.stdout.splitlines())


def drawn_lines() -> list[str]:
    """The lines of the picture in the README, as text."""
    picture = (ROOT / "docs" / "demo.svg").read_text(encoding="utf-8")
    lines: dict[float, list[tuple[float, str]]] = {}
    for x, y, text in re.findall(
        r'<text [^>]*x="([\d.]+)" y="([\d.]+)"[^>]*>(.*?)</text>', picture
    ):
        plain = html.unescape(text).replace("\xa0", " ")
        lines.setdefault(float(y), []).append((float(x), plain))
    return ["".join(text for _, text in sorted(parts)) for _, parts in sorted(lines.items())]


@pytest.mark.slow
def test_the_demo_runs_on_another_server_and_drops_its_database(database: Database) -> None:
    url = database.server.url("postgres").set(drivername="postgresql")
    done = run_demo("--url", url.render_as_string(hide_password=False))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"on {database.server.host}:{database.server.port}." in done.stdout
    left = "SELECT datname FROM pg_database WHERE datname LIKE 'zanith_demo%'"
    assert database.rows(left) == []


def test_the_demo_fails_without_a_server_and_keeps_the_password_to_itself() -> None:
    done = run_demo("--url", "postgresql://shop:s3cret@127.0.0.1:1/shop")
    assert done.returncode == 1
    assert "connection" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert "s3cret" not in done.stdout + done.stderr


def test_the_demo_fails_when_a_command_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], database: Database
) -> None:
    url = database.url().render_as_string(hide_password=False)
    monkeypatch.setattr(demo, "tell", lambda stage: stage.alembic("upgrade", "nowhere"))
    monkeypatch.setenv("TEST_POSTGRES_URL", url)
    assert demo.main([]) == 1
    said = capsys.readouterr().out
    assert "$ alembic upgrade nowhere" in said
    assert "The command failed with exit status 255." in said


LOSSES = (
    "UPDATE users SET full_name = 'Somebody else' WHERE id = 7",
    "DELETE FROM order_items WHERE order_id = 9",
    "ALTER TABLE orders DROP COLUMN discount_code",
    "DROP INDEX ix_orders_discount_code",
    "ALTER TABLE users DROP CONSTRAINT uq_users_legacy_uuid",
    "DROP TABLE sessions",
)


@pytest.mark.slow
def test_the_proof_of_the_demo_sees_every_kind_of_loss(shop: Project) -> None:
    seeded(shop)
    with shop.database.begin() as connection:
        before = collect(connection)
        for loss in LOSSES:
            with connection.begin_nested() as savepoint:
                connection.exec_driver_sql(loss)
                after = collect(connection)
                savepoint.rollback()
            assert before != after, loss
            told = [line for line in comparison(before, after) if line.endswith("DIFFERENT")]
            assert len(told) == 1, loss
        assert collect(connection) == before


def test_the_demo_is_in_colour_only_where_somebody_sees_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    Narrator().command(["alembic", "check"])
    assert capsys.readouterr().out == "\n$ alembic check\n"
    monkeypatch.setenv("FORCE_COLOR", "1")
    Narrator().command(["alembic", "check"])
    assert "\x1b[" in capsys.readouterr().out


def test_a_bar_is_gone_from_the_demo_when_it_is_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    written = io.StringIO()
    with shown("backfill", 2, console=Console(file=written, force_terminal=True)) as bar:
        bar.moved(2)
    output = f"before\n{written.getvalue()}after\n"
    Narrator().output(lines_of(io.BytesIO(output.encode())))
    told = capsys.readouterr().out
    assert "2/2" in told
    assert click.unstyle(without_bars(told)) == "before\nafter\n"


def test_models_and_revisions_agree_with_everything_parked(shop: Project) -> None:
    shop.upgrade()
    assert "No new upgrade operations detected" in shop.alembic("check").succeeded().output


def test_the_four_drops_are_as_autogenerate_writes_them(shop: Project) -> None:
    shop.upgrade(BEFORE_THE_DROPS)
    kept = [revision(shop, name) for name in DROPS]
    upgrades = [script.upgrade for script in kept]
    downgrades = [script.downgrade for script in kept]
    forget(shop, *DROPS, *AFTER_THE_DROPS)
    fresh = shop.autogenerate("all four at once")
    for bodies, now in ((upgrades, fresh.upgrade), (downgrades, fresh.downgrade)):
        for body in bodies:
            assert code(body) in code(now)


@pytest.mark.slow
def test_every_row_survives_going_up_and_down(shop: Project) -> None:
    seeded(shop)
    with shop.database.begin() as connection:
        before = collect(connection)
    shop.upgrade()
    for table in ("sessions", "audit_log_2024"):
        assert shop.database.scalar(f"SELECT to_regclass('{table}')") is None
    shop.downgrade(BEFORE_THE_DROPS)
    with shop.database.begin() as connection:
        assert collect(connection) == before


def test_old_orders_get_their_reference_in_batches(shop: Project) -> None:
    seeded(shop)
    said = shop.upgrade().output
    orders = shop.database.scalar("SELECT count(*) FROM orders")
    assert f"'YYYYMM-') || id\"}}): {orders:,} rows in batches" in said
    assert shop.database.scalar("SELECT count(DISTINCT invoice_number) FROM orders") == orders


def test_order_items_are_rebuilt_and_the_old_table_is_kept(shop: Project) -> None:
    seeded(shop)
    rows = "SELECT order_id, product_id, quantity, unit_price FROM {} ORDER BY 1, 2"
    before = shop.database.rows(rows.format("order_items"))
    shop.upgrade()
    assert shop.database.rows(rows.format("order_items")) == before
    kept = shop.database.scalar(
        "SELECT parked_schema || '.' || parked_table FROM _zanith_migration_artifacts"
        " WHERE kind = 'rebuild_table'"
    )
    assert shop.database.rows(rows.format(kept)) == before


def test_the_pair_is_as_zanith_expand_writes_it(shop: Project) -> None:
    kept = [revision(shop, name) for name in EXPAND_AND_CONTRACT]
    bodies = [(script.upgrade, script.downgrade) for script in kept]
    forget(shop, *EXPAND_AND_CONTRACT, RENAME, ONLINE_ARCHIVE)
    shop.upgrade()
    ids = ("--rev-id", "0016", "--contract-rev-id", "0017")
    shop.alembic("zanith-expand", "rename", "orders.reference", "invoice_number", *ids).succeeded()
    fresh = [revision(shop, name) for name in EXPAND_AND_CONTRACT]
    assert [(script.upgrade, script.downgrade) for script in fresh] == bodies


def test_the_old_and_the_new_version_run_side_by_side_in_between(shop: Project) -> None:
    seeded(shop)
    expanded, contracted = EXPAND_AND_CONTRACT
    shop.upgrade(expanded)
    shop.database.execute("UPDATE orders SET reference = 'of the old one' WHERE id = 1")
    shop.database.execute("UPDATE orders SET invoice_number = 'of the new one' WHERE id = 2")
    assert shop.database.rows("SELECT reference, invoice_number FROM orders WHERE id < 3") == [
        ("of the old one", "of the old one"),
        ("of the new one", "of the new one"),
    ]
    differ = "SELECT count(*) FROM orders WHERE reference IS DISTINCT FROM invoice_number"
    assert shop.database.scalar(differ) == 0
    shop.upgrade(contracted)
    shop.database.execute("UPDATE orders SET invoice_number = 'new' WHERE id = 3")
    shop.downgrade(expanded)
    assert shop.database.scalar("SELECT reference FROM orders WHERE id = 3") == "new"


def test_the_rename_is_as_autogenerate_writes_it_after_a_yes(shop: Project) -> None:
    kept = revision(shop, RENAME)
    upgrade, downgrade = kept.upgrade, kept.downgrade
    forget(shop, RENAME, ONLINE_ARCHIVE)
    shop.upgrade()
    with answering(True) as asked:
        fresh = shop.autogenerate("renamed")
    assert len(asked) == 1
    assert code(upgrade) in code(fresh.upgrade)
    assert code(downgrade) in code(fresh.downgrade)


def test_an_order_placed_after_its_total_went_gets_one_in_the_downgrade(shop: Project) -> None:
    seeded(shop)
    totals = "SELECT id, total FROM orders WHERE id <= 30000 ORDER BY id"
    before = shop.database.rows(totals)
    shop.upgrade()
    shop.database.execute(
        "INSERT INTO orders (id, customer_id, status) VALUES (30001, 7, 'paid');"
        "INSERT INTO order_items (order_id, product_id, quantity, unit_price)"
        " VALUES (30001, 3, 2, 5.55), (30001, 4, 1, 1.00)"
    )
    shop.downgrade(RENAME)
    assert shop.database.rows(totals) == before
    assert shop.database.scalar("SELECT total FROM orders WHERE id = 30001") == Decimal("12.10")


def test_every_operation_is_in_a_revision() -> None:
    scripts = (PROJECT / "migrations" / "versions").glob("*.py")
    used = re.findall(r"\bop\.(\w+)\(", "".join(script.read_text() for script in scripts))
    assert set(OPERATIONS) - set(used) == set()


def test_it_goes_down_to_nothing_and_up_again(shop: Project) -> None:
    shop.upgrade()
    shop.alembic("downgrade", "base", "--mode", "dev").succeeded()
    left = shop.database.rows(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace "
        "AND relkind = 'r' AND NOT starts_with(relname, '_zanith_')"
    )
    assert left == [("alembic_version",)]
    shop.upgrade()
    shop.alembic("check").succeeded()


@pytest.mark.slow
@pytest.mark.parametrize("test", PYTEST_ALEMBIC_TESTS, ids=lambda test: test.__name__)
def test_it_passes_the_standard_tests_of_pytest_alembic(
    shop: Project, test: Callable[[MigrationContext], None]
) -> None:
    options = Config.from_raw_config({"file": str(shop.root / "alembic.ini")})
    with contained(shop.root), runner(options, shop.database.engine()) as alembic_runner:
        test(alembic_runner)


@pytest.mark.slow
def test_a_downgrade_leaves_no_trace_that_pytest_alembic_sees(shop: Project) -> None:
    """Its strictest test, which goes up and down inside savepoints of a connection it shares."""
    # 0012 commits batch by batch, which nothing can do inside of a transaction of somebody else's,
    # as do 0016 and 0019, and 0015 keeps its old table; those between them go along.
    forget(shop, *AFTER_THE_DROPS[1:])
    shop.edit_env(
        r"^    with connectable\.connect\(\) as connection:$",
        "    connectable = config.attributes.get('connection') or connectable\n"
        r"\g<0>",
    )
    options = Config.from_raw_config({"file": str(shop.root / "alembic.ini")})
    with contained(shop.root), runner(options, shop.database.engine()) as alembic_runner:
        leaves_no_trace(alembic_runner)


def test_pytest_alembic_sees_when_the_models_have_moved_on(shop: Project) -> None:
    models = shop.root / "models.py"
    column = "    supplier_code: Mapped[str | None] = mapped_column(String(16), index=True)\n"
    assert column in models.read_text()
    models.write_text(models.read_text().replace(column, ""))
    options = Config.from_raw_config({"file": str(shop.root / "alembic.ini")})
    with (
        contained(shop.root),
        runner(options, shop.database.engine()) as alembic_runner,
        pytest.raises(AlembicTestFailure) as failure,
    ):
        standard_tests.test_model_definitions_match_ddl(alembic_runner)
    assert "op.soft_drop_column('products', 'supplier_code')" in str(failure.value.context)
