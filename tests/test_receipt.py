"""A receipt is good for exactly what was rehearsed, and says why for nothing else."""

from __future__ import annotations

import compileall
import hashlib
import os
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alembic_zanith.errors import ZanithError
from alembic_zanith.gates.receipt import (
    Receipt,
    edited_since,
    rehearsed,
    why_not,
    write_receipt,
)
from tests.support.receipts import HOUR, NOW, Folder, reason, receipt, rehearsal

AGAIN = "Run alembic zanith-verify again."


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    # Two versions of a file within a second would share one compiled file.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return Path("zanith-verify.json")


@pytest.fixture
def folder(path: Path, tmp_path: Path) -> Folder:
    """The revisions a, b, c and d, one behind the other."""
    folder = Folder(tmp_path)
    folder.write("a")
    for before, revision in ("ab", "bc", "cd"):
        folder.write(revision, before)
    return folder


@pytest.fixture
def receipt_of_two(path: Path, folder: Folder) -> Receipt:
    """The receipt for b and c on a database that is at a."""
    written = receipt(rehearsal(folder.pending("c", "a"), "a"))
    write_receipt(path, written)
    return written


# -- good --------------------------------------------------------------------------------


def test_it_is_good_for_what_was_rehearsed(
    path: Path, folder: Folder, receipt_of_two: Receipt
) -> None:
    assert reason(path, folder.pending("c", "a"), "a") is None


def test_a_later_minor_version_of_the_server_is_good(
    path: Path, folder: Folder, receipt_of_two: Receipt
) -> None:
    for version in ("18.0", "18.9 (Debian 18.9-1.pgdg13+1)", "18beta2", None):
        assert reason(path, folder.pending("c", "a"), "a", server_version=version) is None


def test_where_nobody_knows_the_heads_they_are_not_compared(
    path: Path, folder: Folder, receipt_of_two: Receipt
) -> None:
    pending = folder.pending("c", "a")
    options = {"max_age_ms": None, "now": NOW, "server_version": None}
    assert why_not(path, pending, None, **options) is None  # type: ignore[arg-type]
    assert why_not(path, pending, (), **options) is not None  # type: ignore[arg-type]


def test_the_order_of_the_heads_says_nothing(path: Path, folder: Folder) -> None:
    pending = folder.pending("c", "a")
    write_receipt(path, receipt(rehearsal(pending, "x", "a")))
    assert reason(path, pending, "a", "x") is None


def test_what_else_is_in_it_is_for_people(path: Path, folder: Folder) -> None:
    pending = folder.pending("c", "a")
    told = rehearsal(pending, "a", production_version="14.1", findings=("b rewrites t",))
    write_receipt(path, receipt(told, alembic_heads=("z",), package_version="9"))
    assert reason(path, pending, "a") is None


# -- its age -----------------------------------------------------------------------------


@pytest.mark.parametrize("later", [timedelta(minutes=-5), timedelta(0), timedelta(days=1)])
def test_it_is_good_for_as_long_as_the_setting_says(
    path: Path, folder: Folder, receipt_of_two: Receipt, later: timedelta
) -> None:
    assert reason(path, folder.pending("c", "a"), "a", now=NOW + later) is None


def test_without_a_limit_none_is_too_old(
    path: Path, folder: Folder, receipt_of_two: Receipt
) -> None:
    later = NOW + timedelta(days=4000)
    assert reason(path, folder.pending("c", "a"), "a", now=later, max_age_ms=None) is None


@pytest.mark.parametrize(
    ("later", "max_age_ms", "words"),
    [
        (timedelta(days=1, microseconds=1), 24 * HOUR, "1 day, 0:00:01, and it was good for 1 day"),
        (timedelta(hours=26, minutes=3), 24 * HOUR, "1 day, 2:03:00, and it was good for 1 day"),
        (timedelta(minutes=31), HOUR // 2, "0:31:00, and it was good for 0:30:00"),
    ],
)
def test_it_is_too_old(
    path: Path,
    folder: Folder,
    receipt_of_two: Receipt,
    later: timedelta,
    max_age_ms: int,
    words: str,
) -> None:
    found = reason(path, folder.pending("c", "a"), "a", now=NOW + later, max_age_ms=max_age_ms)
    limit = ", 0:00:00" if words.endswith("day") else ""
    assert found == (
        f"The receipt zanith-verify.json is too old: {words}{limit} (receipt_max_age). {AGAIN}"
    )


def test_it_is_from_the_future(path: Path, folder: Folder, receipt_of_two: Receipt) -> None:
    found = reason(path, folder.pending("c", "a"), "a", now=NOW - timedelta(minutes=5, seconds=1))
    assert found == (
        "The receipt zanith-verify.json is from the future: it was written at 2031-05-01 12:00:00 "
        "UTC, and the clock here says 2031-05-01 11:54:59. Set the clocks right. "
        "Run alembic zanith-verify again."
    )


# -- other revisions ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "heads", "difference"),
    [
        ("d", "a", "d was not rehearsed and would run"),
        ("b", "a", "c was rehearsed and would not run"),
        ("c", "b", "b was rehearsed and would not run"),
        ("d", "b", "d was not rehearsed and would run; b was rehearsed and would not run"),
        ("d", "c", "d was not rehearsed and would run; b, c were rehearsed and would not run"),
        ("c", "", "a was not rehearsed and would run"),
    ],
)
def test_it_is_about_other_revisions(
    path: Path, folder: Folder, receipt_of_two: Receipt, target: str, heads: str, difference: str
) -> None:
    assert reason(path, folder.pending(target, [*heads]), *heads) == (
        f"The receipt zanith-verify.json is about other revisions: {difference}. Run what was "
        "rehearsed, or alembic zanith-verify again for what is to run."
    )


def test_it_is_about_another_order(path: Path, folder: Folder, receipt_of_two: Receipt) -> None:
    assert reason(path, folder.pending("c", "a")[::-1], "a") == (
        "The receipt zanith-verify.json is about another order: b, c were rehearsed, and c, b "
        f"would run. {AGAIN}"
    )


# -- other scripts -----------------------------------------------------------------------

EDITS = {
    "a comment": lambda content: content + b"# harmless\n",
    "a blank": lambda content: content + b" \n",
    "a statement": lambda content: content.replace(b"pass", b"op.drop_table('t')"),
    "line endings": lambda content: content.replace(b"\n", b"\r\n"),
    "a byte order mark": lambda content: b"\xef\xbb\xbf" + content,
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_script_was_edited_since(
    path: Path, folder: Folder, receipt_of_two: Receipt, edit: str
) -> None:
    script = folder.root / "versions" / "c_step.py"
    script.write_bytes(EDITS[edit](script.read_bytes()))
    assert reason(path, folder.pending("c", "a"), "a") == (
        f"Revision c was edited after its rehearsal: {Path('versions/c_step.py')} is not the file "
        f"that the receipt zanith-verify.json is about. {AGAIN}"
    )


def test_a_script_that_does_not_run_may_be_edited(
    path: Path, folder: Folder, receipt_of_two: Receipt
) -> None:
    folder.write("a", more="# applied\n")
    folder.write("d", "c", more="# later\n")
    assert reason(path, folder.pending("c", "a"), "a") is None


def test_a_script_may_be_renamed_and_touched(
    path: Path, folder: Folder, receipt_of_two: Receipt
) -> None:
    script = folder.root / "versions" / "c_step.py"
    script.rename(script.with_name("0003.py"))
    os.utime(script.with_name("0003.py"), (0, 0))
    assert reason(path, folder.pending("c", "a"), "a") is None


def test_a_script_is_gone_after_it_was_loaded(
    path: Path, folder: Folder, receipt_of_two: Receipt
) -> None:
    pending = folder.pending("c", "a")
    (folder.root / "versions" / "b_step.py").unlink()
    assert reason(path, pending, "a") == (
        f"Nobody can tell what revision b is: {Path('versions/b_step.py')} cannot be read (No such "
        "file or directory). Bring the file back."
    )


# -- where it begins, and on which server ------------------------------------------------


@pytest.mark.parametrize(
    ("heads", "at"), [((), "base"), (("b",), "b"), (("x", "a"), "a, x"), (("b", "a"), "a, b")]
)
def test_it_began_somewhere_else(
    path: Path, folder: Folder, receipt_of_two: Receipt, heads: tuple[str, ...], at: str
) -> None:
    assert reason(path, folder.pending("c", "a"), *heads) == (
        "The receipt zanith-verify.json is of a rehearsal that began at a, and the database is at "
        f"{at}. {AGAIN}"
    )


@pytest.mark.parametrize("version", ["17.6", "19.0", "19beta1", "1.8", "180.1"])
def test_the_server_has_another_major_version(
    path: Path, folder: Folder, receipt_of_two: Receipt, version: str
) -> None:
    assert reason(path, folder.pending("c", "a"), "a", server_version=version) == (
        "The receipt zanith-verify.json is of a rehearsal on PostgreSQL 18.1, and the server has "
        f"{version}. Run alembic zanith-verify again with a shadow of the same major version."
    )


# -- verdicts and databases --------------------------------------------------------------


@pytest.mark.parametrize("verdict", ["drift", "apply-failed", "shadow-unreachable", "OK", ""])
def test_a_rehearsal_was_not_ok(path: Path, folder: Folder, verdict: str) -> None:
    pending = folder.pending("c", "a")
    good = rehearsal(pending, "a", database="engine1")
    write_receipt(path, receipt(good, rehearsal((), database="engine2", verdict=verdict)))
    assert reason(path, pending, "a", database="engine1") == (
        "The receipt zanith-verify.json is of a rehearsal of engine2 that was not ok, but ended as "
        f"{verdict}. Run alembic zanith-verify again, and see why."
    )


def test_each_database_has_a_rehearsal_of_its_own(path: Path, folder: Folder) -> None:
    two, one = folder.pending("c", "a"), folder.pending("c", "b")
    first = rehearsal(two, "a", database="engine1")
    write_receipt(path, receipt(first, rehearsal(one, "b", database="engine2")))
    assert reason(path, two, "a", database="engine1") is None
    assert reason(path, one, "b", database="engine2") is None
    assert "other revisions" in str(reason(path, two, "a", database="engine2"))
    assert "other revisions" in str(reason(path, one, "b", database="engine1"))


def test_a_database_was_not_rehearsed(path: Path, folder: Folder) -> None:
    pending = folder.pending("c", "a")
    write_receipt(
        path, receipt(rehearsal(pending, "a", database="engine1"), rehearsal(pending, "a"))
    )
    assert reason(path, pending, "a", database="engine2") == (
        "The receipt zanith-verify.json is not about the database engine2, but about engine1, one "
        f"without a name. {AGAIN}"
    )


def test_no_database_was_rehearsed(path: Path, folder: Folder) -> None:
    write_receipt(path, receipt())
    assert reason(path, folder.pending("c", "a"), "a") == (
        f"The receipt zanith-verify.json is not about any database. {AGAIN}"
    )


def test_of_several_databases_without_a_name_one_has_to_fit(path: Path, folder: Folder) -> None:
    two, one = folder.pending("c", "a"), folder.pending("c", "b")
    write_receipt(path, receipt(rehearsal(one, "b"), rehearsal(two, "a"), rehearsal((), "c")))
    assert reason(path, two, "a") is None
    assert reason(path, one, "b") is None
    # What is told is what the closest one lacks.
    assert "began at a, and the database is at x" in str(reason(path, two, "x"))


# -- what is loaded ----------------------------------------------------------------------


def test_the_digest_is_that_of_the_file(folder: Folder) -> None:
    (found,) = rehearsed(folder.pending("c", "b"))
    content = (folder.root / "versions" / "c_step.py").read_bytes()
    assert (found.revision, found.down_revisions) == ("c", ("b",))
    assert found.digest == hashlib.sha256(content).hexdigest()


def test_a_merge_comes_behind_several(folder: Folder) -> None:
    folder.write("x", "a")
    folder.write("m", "d", "x")
    found = {each.revision: each.down_revisions for each in rehearsed(folder.pending())}
    assert found["m"] == ("d", "x")
    assert found["a"] == ()


def test_without_a_source_the_compiled_file_counts(
    path: Path, folder: Folder, receipt_of_two: Receipt
) -> None:
    versions = folder.root / "versions"
    compileall.compile_dir(versions, quiet=1, legacy=True)
    for script in versions.glob("*.py"):
        script.unlink()
    pending = folder.pending("c", "a", sourceless=True)
    assert "b_step.pyc is not the file" in str(reason(path, pending, "a"))
    write_receipt(path, receipt(rehearsal(pending, "a")))
    assert reason(path, pending, "a") is None
    digest = hashlib.sha256((versions / "b_step.pyc").read_bytes()).hexdigest()
    assert rehearsed(pending)[0].digest == digest


LOADED = """
import functools

TABLE = "t"


def twice(f):
    @functools.wraps(f)
    def run():
        f()
        f()
    return run


@twice
def helper(names=("a", 1), *, flag=True) -> "str":
    deep = lambda: [n for n in {1, 2.0, 3}]
    class Inner:
        def method(self):
            return TABLE, deep, f"{names!r}", ("t", 1)
    assert names, "no names"
    return Inner().method() or "\\d"
"""


@pytest.mark.filterwarnings("ignore:invalid escape sequence")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("pass", "raise"),
        ("def upgrade", "\ndef upgrade"),
        ('"t", 1', '"t", True'),
        ('"t", 1', '"t", 1.0'),
        ("2.0", "2"),
        ("return Inner", "return not Inner"),
        ("        f()\n        f()", "        f()"),
        ("return TABLE", "return TABLES"),
    ],
)
def test_a_script_that_was_edited_after_it_was_loaded_is_not_what_would_run(
    path: Path, folder: Folder, old: str, new: str
) -> None:
    script = folder.write("c", "b", more=LOADED)
    pending = folder.pending("c", "b")
    for each in pending:
        each.module.upgrade()  # which leaves its traces in the code
        each.module.helper()
    write_receipt(path, receipt(rehearsal(pending, "b")))
    assert reason(path, pending, "b") is None
    assert old in script.read_text()
    script.write_text(script.read_text().replace(old, new))
    loaded_before = (
        f"Revision c is not loaded from what {Path('versions/c_step.py')} has now: it was edited "
        "in the meantime, or __pycache__ beside it is stale. Remove that, and start again."
    )
    assert reason(path, pending, "b") == loaded_before
    with pytest.raises(ZanithError) as error:
        rehearsed(pending)
    assert str(error.value) == loaded_before
    assert "was edited after its rehearsal" in str(reason(path, folder.pending("c", "b"), "b"))


PROXY = """
import functools


class Proxy:
    def __getattribute__(self, name):
        raise RuntimeError(f"no {name} outside of a request")

    def __call__(self):
        pass


proxy = Proxy()
cached = functools.lru_cache(upgrade)
part = functools.partial(upgrade)
downgrade.__wrapped__ = upgrade
upgrade.__wrapped__ = downgrade
"""


def test_a_script_may_have_anything_at_its_top(folder: Folder) -> None:
    folder.write("c", "b", more=PROXY)
    (found,) = rehearsed(folder.pending("c", "b"))
    assert found.revision == "c"


@pytest.mark.parametrize("content", ["def upgrade(", "\0"])
def test_what_is_no_python_any_more_is_not_what_is_loaded(folder: Folder, content: str) -> None:
    pending = folder.pending("c", "b")
    Path(pending[0].path).write_text(content)
    with pytest.raises(ZanithError, match="is not loaded from what"):
        rehearsed(pending)


def test_stale_bytecode_is_not_what_would_be_digested(
    path: Path, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python takes it for the file's own: the size and the second are the same."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    script = folder.root / "versions" / "c_step.py"
    script.write_text(script.read_text().replace("pass", "1 + 1\n    assert 1"))
    os.utime(script, (1, 1))
    assert folder.pending("c", "b")
    script.write_text(script.read_text().replace("assert 1", "assert 0"))
    os.utime(script, (1, 1))
    pending = folder.pending("c", "b")
    pending[0].module.upgrade()
    with pytest.raises(ZanithError, match="__pycache__ beside it is stale"):
        rehearsed(pending)


# -- where nothing asks for it -----------------------------------------------------------


def test_an_edit_since_a_rehearsal_is_found_in_any_receipt(
    path: Path, folder: Folder, receipt_of_two: Receipt
) -> None:
    assert edited_since(path, folder.pending()) is None
    folder.write("c", "b", more="# later\n")
    told = edited_since(path, folder.pending())
    assert told is not None
    assert told.startswith("Revision c was edited after its rehearsal")
    assert edited_since(path, folder.pending("b")) is None


def test_nothing_else_is_told(path: Path, folder: Folder) -> None:
    assert edited_since(path, folder.pending()) is None
    path.write_text("{}")
    assert edited_since(path, folder.pending()) is None
    write_receipt(path, receipt(rehearsal(folder.pending("b"), "x", verdict="drift")))
    assert edited_since(path, folder.pending()) is None


# -- any history -------------------------------------------------------------------------


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, ...]]:
    """What each of some revisions comes behind: one, two that are heads, or none."""
    behind: list[tuple[str, ...]] = []
    heads: list[str] = []
    for number in range(draw(st.integers(1, 6))):
        before = [f"r{each}" for each in range(number)]
        kind = draw(st.sampled_from(["one", "one", "one", "merge", "none"]))
        down: tuple[str, ...] = ()
        if kind == "merge" and len(heads) > 1:
            down = (heads[0], heads[-1])
        elif kind != "none" and before:
            down = (draw(st.sampled_from(before)),)
        behind.append(down)
        heads = [each for each in heads if each not in down] + [f"r{number}"]
    return behind


@pytest.mark.property
@given(behind=histories(), edited=st.integers(0, 5))
def test_a_receipt_accepts_its_own_run_and_no_other(
    behind: list[tuple[str, ...]], edited: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Folder(Path(name))
        for number, down in enumerate(behind):
            folder.write(f"r{number}", *down)
        directory = folder.directory()
        known = [f"r{number}" for number in range(len(behind))]
        above = {each: directory._upgrade_revs(each, ()) for each in known}  # type: ignore[arg-type]
        runs = {}
        for start in [(), *((each,) for each in known)]:
            for target in ["heads", *known]:
                if any(step.revision.revision == target for one in start for step in above[one]):
                    continue
                steps = directory._upgrade_revs(target, start)  # type: ignore[arg-type]
                pending = tuple(step.revision for step in steps)
                if pending:
                    runs[start, tuple(each.revision for each in pending)] = pending
        for number, ((heads, ids), pending) in enumerate(runs.items()):
            path = Path(name) / f"{number}.json"
            write_receipt(path, receipt(rehearsal(pending, *heads)))
            good = [run for run, other in runs.items() if reason(path, other, *run[0]) is None]
            assert good == [(heads, ids)]
        changed = edited % len(known)
        folder.write(known[changed], *behind[changed], more="# later\n")
        scripts = {each.revision: each for each in folder.directory().walk_revisions()}
        for number, (heads, ids) in enumerate(runs):
            again = reason(Path(name) / f"{number}.json", [scripts[each] for each in ids], *heads)
            assert (again is None) == (known[changed] not in ids)
