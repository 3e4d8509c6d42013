"""`zanith-plan BASE:HEAD --offline` with branches, tags and commits, as a pull request has them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.conftest import MakeProject
from tests.support.project import Project
from tests.test_cli_plan import failure, plan, planned

DROP = "op.drop_table('users')"


def git(project: Project, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(project.root.parent), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={
            "PATH": "/usr/bin:/bin:/usr/local/bin",
            "HOME": str(project.root),
            **{
                f"GIT_{who}_{what}": "a@b.c"
                for who in ("AUTHOR", "COMMITTER")
                for what in ("NAME", "EMAIL")
            },
        },
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def commit(project: Project, message: str = "step") -> str:
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", message)
    return git(project, "rev-parse", "HEAD")


@pytest.fixture
def repository(project: Project) -> Project:
    """A project in a folder of a repository: one revision on main, one more on a branch."""
    git(project, "init", "--quiet", "--initial-branch=main")
    project.revision("op.create_table('users', sa.Column('id', sa.Integer))", rev_id="aaaa1111")
    commit(project)
    git(project, "checkout", "--quiet", "-b", "feature/drop")
    project.revision(DROP, message="old things go", rev_id="bbbb2222")
    commit(project)
    return project


def names(project: Project, asked: str) -> list[str]:
    return [name for name, _ in planned(project, "--offline", asked)]


@pytest.mark.parametrize(
    "asked",
    ["main:HEAD", "main:feature/drop", "main:", "main:heads", "HEAD~1:HEAD", "aaaa1111:HEAD"],
)
def test_what_the_branch_adds_is_pending(repository: Project, asked: str) -> None:
    assert names(repository, asked) == ["bbbb2222"]


def test_commits_and_tags(repository: Project) -> None:
    git(repository, "tag", "v1", "main")
    sha = git(repository, "rev-parse", "HEAD")
    assert names(repository, f"v1:{sha}") == ["bbbb2222"]
    assert names(repository, f"v1:{sha[:12]}") == ["bbbb2222"]
    assert names(repository, "base:v1") == ["aaaa1111"]


def test_a_drop_refuses_the_pull_request_and_nothing_pending_passes(repository: Project) -> None:
    refused = plan(repository, "--offline", "main:HEAD")
    assert refused.exit_code == 1
    assert "1. drop_table users, by drop_table: destructive (80)" in refused.stdout
    passed = plan(repository, "--offline", "HEAD:HEAD").succeeded()
    assert passed.stdout == "Nothing is pending (no database was asked).\n\nPASS (mode staging)\n"


def test_the_way_down_from_a_branch(repository: Project) -> None:
    assert planned(repository, "--offline", "--downgrade", "HEAD:main") == [("bbbb2222", [])]


def test_branches_that_are_merged_are_in_the_order_of_the_upgrade(repository: Project) -> None:
    repository.revision(rev_id="cccc3333", head="aaaa1111", splice=True)
    repository.revision(rev_id="dddd4444", head="heads")
    commit(repository)
    first, second, last = names(repository, "main:HEAD")
    assert {first, second} == {"bbbb2222", "cccc3333"}
    assert last == "dddd4444"


def test_what_main_has_got_in_the_meantime_is_not_pending(repository: Project) -> None:
    git(repository, "checkout", "--quiet", "main")
    repository.revision(rev_id="eeee5555")
    commit(repository)
    git(repository, "checkout", "--quiet", "feature/drop")
    assert names(repository, "main:HEAD") == ["bbbb2222"]


def test_a_renamed_file_is_the_same_revision(repository: Project) -> None:
    (old,) = repository.versions.glob("aaaa1111*.py")
    old.rename(old.with_name("0001_users.py"))
    commit(repository)
    assert names(repository, "main:HEAD") == ["bbbb2222"]


def test_a_work_tree_that_differs_is_told(repository: Project) -> None:
    (script,) = repository.versions.glob("bbbb2222*.py")
    script.write_text(script.read_text() + "\n# not committed\n")
    text = plan(repository, "--offline", "main:HEAD").stdout
    path = f"{repository.root.name}/migrations/versions/{script.name}"
    assert (
        f"Warnings\n  {path} is another in the work tree, which is what was planned, than at HEAD.\n"
    ) in text


def test_what_is_not_checked_out_cannot_be_planned(repository: Project) -> None:
    git(repository, "checkout", "--quiet", "main")
    message = failure(plan(repository, "--offline", "main:feature/drop"))
    assert "bbbb2222_old_things_go.py is at feature/drop and not in the work tree" in message
    assert "Check feature/drop out first." in message


def test_a_ref_that_git_does_not_know(repository: Project) -> None:
    message = failure(plan(repository, "--offline", "origin/main:HEAD"))
    assert "There is no revision 'origin/main'." in message
    assert "a branch, tag or commit of git as well, if it is fetched" in message


@pytest.mark.parametrize("name", ["--output=/tmp/x", "-p", "main^{tree}", "$(id)", "a b", "*"])
def test_a_ref_is_never_an_option_or_a_pattern(repository: Project, name: str) -> None:
    message = failure(plan(repository, "--offline", f"aaaa1111:{name}"))
    assert f"There is no revision {name!r}." in message


def test_a_hook_of_git_can_call_it(repository: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """https://git-scm.com/docs/githooks#_description"""
    monkeypatch.setenv("GIT_DIR", ".git")
    monkeypatch.setenv("GIT_INDEX_FILE", ".git/index")
    assert names(repository, "main:HEAD") == ["bbbb2222"]


def test_without_git_revision_ids_still_work(
    repository: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    message = failure(plan(repository, "--offline", "main:HEAD"))
    assert "There is no git here" in message
    assert "give revision ids" in message
    assert names(repository, "aaaa1111:bbbb2222") == ["bbbb2222"]
    assert names(repository, "aaaa:bbbb") == ["bbbb2222"]


def test_outside_of_a_repository_revision_ids_still_work(project: Project) -> None:
    project.revision(rev_id="aaaa1111")
    project.revision(rev_id="bbbb2222")
    message = failure(plan(project, "--offline", "main:HEAD"))
    assert "There is no revision 'main'" in message
    assert "not a git repository" in message
    assert names(project, "aaaa:bbbb") == ["bbbb2222"]


def test_a_whole_revision_id_is_one_whatever_git_says(repository: Project) -> None:
    git(repository, "branch", "aaaa1111")
    assert names(repository, "aaaa1111:HEAD") == ["bbbb2222"]


def test_the_beginning_of_a_revision_that_git_knows_too_is_refused(repository: Project) -> None:
    git(repository, "branch", "bbbb", "main")
    message = failure(plan(repository, "--offline", "bbbb:HEAD"))
    assert "'bbbb' is the beginning of revision bbbb2222 and something to git as well." in message


def test_only_the_folders_of_revisions_count(repository: Project) -> None:
    (repository.root / "scripts.py").write_text("revision = 'ffff6666'\n")
    (repository.versions / "__init__.py").write_text("")
    (repository.versions / "old").mkdir()
    (repository.versions / "old" / "0000.py").write_text("revision = 'gggg7777'\n")
    commit(repository)
    assert names(repository, "aaaa1111:HEAD") == ["bbbb2222"]
    (repository.root / "scripts.py").unlink()
    assert names(repository, "HEAD:HEAD") == []


def test_with_a_database_the_range_is_the_same_and_facts_are_asked_for(repository: Project) -> None:
    repository.database.execute("CREATE TABLE users (id int); INSERT INTO users VALUES (1)")
    text = plan(repository, "main:HEAD").stdout
    assert "users has about 1 row" in text


def test_a_project_that_is_reached_by_a_link(
    repository: Project, tmp_path: Path, make_project: MakeProject
) -> None:
    link = tmp_path / "link"
    link.symlink_to(repository.root, target_is_directory=True)
    linked = Project(link, repository.database, repository.template, repository.databases)
    assert names(linked, "main:HEAD") == ["bbbb2222"]
