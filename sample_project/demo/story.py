"""The story that the demo tells, chapter by chapter."""

from __future__ import annotations

from .evidence import Evidence, comparison
from .stage import Stage

BEFORE_THE_DROPS = "0006"
NEW_REVISION = "0020"
HASTY_REVISION = "0021"


def tell(stage: Stage) -> bool:
    """Tell all of it; return whether every row is back at the end."""
    before = _the_shop_before(stage)
    _drops(stage)
    _a_column_leaves_the_models(stage)
    _a_hasty_migration(stage)
    _what_is_parked(stage)
    _by_hand(stage, before)
    _by_downgrade(stage)
    return _nothing_lost(stage, before)


def _the_shop_before(stage: Stage) -> Evidence:
    stage.narrator.chapter("The shop before anything is dropped")
    stage.alembic("upgrade", BEFORE_THE_DROPS)
    rows = stage.seed()
    stage.narrator.say(f"{rows:,} rows are written, then checksummed table by table.")
    return stage.evidence()


def _drops(stage: Stage) -> None:
    stage.narrator.chapter(
        "Five revisions drop three columns and two tables, eight more add, fill, rename and reshape"
    )
    stage.alembic("upgrade", "head")
    stage.narrator.say(
        "The application sees none of the five any more; orders.total went to the archive in\n"
        "batches, each committed by itself. A new column was filled in the same way and had two\n"
        "names for a while; a name is split in two, two columns are merged into one.\n"
        "Neither does Alembic see what is parked: models and database agree."
    )
    stage.alembic("check")


def _a_column_leaves_the_models(stage: Stage) -> None:
    stage.narrator.chapter("A column leaves the models, autogenerate does the rest")
    stage.edit_models(without="supplier_code")
    arguments = ("--rev-id", NEW_REVISION, "-m", "Drop products.supplier_code")
    stage.alembic("revision", "--autogenerate", *arguments)
    stage.show_revision(NEW_REVISION)
    stage.narrator.say(
        "\nIt is rehearsed first, on a database that is made for it, with some of the rows:"
    )
    stage.alembic("zanith-verify", "--sample", "100")
    stage.alembic("upgrade", "head", "--shadow-verified")
    stage.alembic("check")


def _a_hasty_migration(stage: Stage) -> None:
    stage.narrator.chapter("One more, by hand: refused before anything runs, then let pass")
    stage.write_revision(
        HASTY_REVISION,
        NEW_REVISION,
        "op.execute('DROP TABLE audit_log')",
        "raise NotImplementedError",
    )
    stage.alembic("upgrade", "head", refused=True)
    stage.narrator.say("\nThe safe way that it names is pasted in:")
    stage.write_revision(
        HASTY_REVISION,
        NEW_REVISION,
        "op.soft_drop_table('audit_log')",
        "op.restore_table('audit_log')",
    )
    stage.alembic("upgrade", "head")


def _what_is_parked(stage: Stage) -> None:
    stage.narrator.chapter("What is parked, and how it would come back")
    stage.alembic("zanith-recover", "list")
    stage.alembic(
        "zanith-recover",
        "inspect",
        "users.legacy_uuid",
        leave_out=("Definition", "Recovery plan"),
    )
    stage.alembic("zanith-recover", "export", "sessions", "--output", "sessions.csv")
    stage.show_file("sessions.csv", lines=3)


def _by_hand(stage: Stage, before: Evidence) -> None:
    stage.narrator.chapter("Two of them are needed after all: back with one command each")
    stage.alembic("zanith-recover", "restore-column", "users.legacy_uuid")
    stage.alembic("zanith-recover", "restore-table", "audit_log_2024")
    names = ("users", "audit_log_2024")
    now = stage.evidence()
    stage.narrator.say("")
    stage.narrator.output(
        comparison({name: before[name] for name in names}, {name: now[name] for name in names})
    )


def _by_downgrade(stage: Stage) -> None:
    stage.narrator.chapter("All of it back: downgrade to the revision before the drops")
    stage.alembic("downgrade", BEFORE_THE_DROPS)
    stage.narrator.say("\nAll of it is on record:")
    stage.alembic("zanith-history", "--limit", "8")


def _nothing_lost(stage: Stage, before: Evidence) -> bool:
    stage.narrator.chapter("The proof")
    after = stage.evidence()
    stage.narrator.output(comparison(before, after))
    rows = sum(table.rows for table in before.values())
    if before == after:
        parts = sum(table.parts for table in before.values())
        stage.narrator.verdict(
            f"Nothing was lost: {rows:,} rows, {parts} constraints and indexes are as before.",
            good=True,
        )
        return True
    stage.narrator.verdict("Something was lost, see above.", good=False)
    return False
