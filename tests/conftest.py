"""Servers, databases and projects for the tests; options that choose how much runs."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import hypothesis
import pytest

from devtools.majors import SUPPORTED_MAJORS
from devtools.postgres import LocalPostgres
from tests.support.database import Database
from tests.support.project import Project
from tests.support.twins import STRATEGIES, Dropped, Twins

ROOT = Path(__file__).resolve().parent.parent

hypothesis.settings.register_profile(
    "default",
    max_examples=10,
    # The same examples every time, so that a change is judged by itself; --examples looks further.
    derandomize=True,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(hypothesis.HealthCheck),
)


class MakeProject(Protocol):
    """Build a project; `databases` are made for it when none is given."""

    def __call__(
        self,
        template: str = "generic",
        driver: str | None = None,
        *,
        name: str = "project",
        database: Database | None = None,
        switched_on: bool = True,
    ) -> Project: ...


class MakeDatabase(Protocol):
    """Build one more empty database, dropped when the test ends."""

    def __call__(self) -> Database: ...


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("alembic-zanith")
    group.addoption("--run-slow", action="store_true", help="run the tests marked slow as well")
    group.addoption(
        "--examples",
        type=int,
        metavar="N",
        help="give each property test N examples that nobody has seen yet",
    )
    group.addoption(
        "--postgres-major", type=int, metavar="N", help="run everything on PostgreSQL N"
    )
    group.addoption(
        "--driver",
        choices=["psycopg", "psycopg2"],
        default=Database.default_driver,
        help="what projects and engines connect with where a test does not say",
    )
    group.addoption(
        "--majors",
        action="store_true",
        help="run the tests marked majors on every supported PostgreSQL but the newest, which is "
        "what they run on without this",
    )
    group.addoption(
        "--major",
        type=int,
        choices=SUPPORTED_MAJORS[:-1],
        action="append",
        help="leave the others out of --majors; may be given several times",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--majors") and os.environ.get("TEST_POSTGRES_URL"):
        raise pytest.UsageError(
            "--majors starts servers of its own, but TEST_POSTGRES_URL names one. Unset it."
        )
    Database.default_driver = config.getoption("--driver")
    hypothesis.settings.load_profile("default")
    if examples := config.getoption("--examples"):
        hypothesis.settings.register_profile(
            "examples",
            parent=hypothesis.settings.get_profile("default"),
            max_examples=examples,
            derandomize=False,
        )
        hypothesis.settings.load_profile("examples")
    # A variable of the developer's shell must not decide what a test sees.
    for name in [name for name in os.environ if name.startswith(("PG", "ZANITH_"))]:
        del os.environ[name]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--run-slow"):
        return
    skip = pytest.mark.skip(reason="slow: runs with --run-slow")
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(skip)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marked = metafunc.definition.get_closest_marker("majors")
    if marked and metafunc.config.getoption("--majors") and "server" in metafunc.fixturenames:
        others = metafunc.config.getoption("--major") or SUPPORTED_MAJORS[:-1]
        ids = [f"pg{major}" for major in others]
        metafunc.parametrize("server", others, ids=ids, indirect=True, scope="session")


@pytest.fixture(scope="session")
def servers() -> Iterator[dict[int | None, LocalPostgres]]:
    """All servers started so far by major; None is the default one."""
    started: dict[int | None, LocalPostgres] = {}
    yield started
    for server in started.values():
        server.stop()


@pytest.fixture(scope="session")
def server(
    request: pytest.FixtureRequest, servers: dict[int | None, LocalPostgres]
) -> LocalPostgres:
    """The server of this test; started once and kept, whatever the order of the tests."""
    major = getattr(request, "param", request.config.getoption("--postgres-major"))
    if major not in servers:
        servers[major] = LocalPostgres.start(major, in_memory=True)
    return servers[major]


@pytest.fixture(autouse=True)
def _min_major(request: pytest.FixtureRequest) -> None:
    """Skip a test marked `min_major` where the server is older."""
    needed = request.node.get_closest_marker("min_major")
    if needed is None:
        return
    server: LocalPostgres = request.getfixturevalue("server")
    if server.major < needed.args[0]:
        pytest.skip(f"PostgreSQL {needed.args[0]} or newer only")


@pytest.fixture
def make_database(server: LocalPostgres) -> Iterator[MakeDatabase]:
    """A function that makes empty databases, dropped when the test ends."""
    with contextlib.ExitStack() as stack:

        def make() -> Database:
            database = Database.create(server)
            stack.callback(database.drop)
            return database

        yield make


@pytest.fixture
def database(make_database: MakeDatabase) -> Database:
    """An empty database of this test's own."""
    return make_database()


class MakeTwins(Protocol):
    """Build twins: the setup on both, then the targets dropped in one and parked in the other."""

    def __call__(self, setup: str, *targets: str | Dropped) -> Twins: ...


@pytest.fixture(params=STRATEGIES)
def strategy(request: pytest.FixtureRequest) -> str:
    """Each way of parking in turn."""
    return str(request.param)


@pytest.fixture
def twins(make_database: MakeDatabase, strategy: str) -> Iterator[MakeTwins]:
    """A function that makes twins; the test runs once for each way of parking."""
    with contextlib.ExitStack() as stack:

        def make(setup: str, *targets: str | Dropped) -> Twins:
            databases = (make_database(), make_database())
            made = Twins.build(databases, setup, targets, strategy)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture(scope="session")
def shared_databases(server: LocalPostgres) -> Iterator[tuple[Database, Database]]:
    """Two databases for twins that need no more than a schema of their own."""
    first, second = Database.create(server), Database.create(server)
    yield first, second
    first.drop()
    second.drop()


@pytest.fixture
def twin_schemas(shared_databases: tuple[Database, Database], strategy: str) -> Iterator[MakeTwins]:
    """As `twins`, but quick: in a new schema of databases that other tests use as well."""
    with contextlib.ExitStack() as stack:

        def make(setup: str, *targets: str | Dropped) -> Twins:
            schema = f"twin_{next(_schemas)}"
            made = Twins.build(shared_databases, setup, targets, strategy, schema)
            stack.callback(made.close)
            return made

        yield make


_schemas = itertools.count(1)


@pytest.fixture
def make_project(
    tmp_path: Path, make_database: MakeDatabase, request: pytest.FixtureRequest
) -> MakeProject:
    """A function that makes projects; the first database is the fixture `database`."""

    def make(
        template: str = "generic",
        driver: str | None = None,
        *,
        name: str = "project",
        database: Database | None = None,
        switched_on: bool = True,
    ) -> Project:
        root = tmp_path / name
        root.mkdir()
        databases = {"engine1": database or request.getfixturevalue("database")}
        if template == "multidb":
            databases["engine2"] = make_database()
        return Project.create(root, databases, template, driver, switched_on)

    return make


@pytest.fixture
def project(make_project: MakeProject) -> Project:
    """A project of Alembic's generic template on the fixture `database`."""
    return make_project()


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The distribution, built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    done = subprocess.run(
        [*command, str(ROOT)], capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def installed_wheel(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment variables with which a Python program runs the wheel, not the checkout."""
    folder = tmp_path_factory.mktemp("installed")
    # A wheel is a zip of what goes into site-packages, and ours has no scripts to make.
    zipfile.ZipFile(wheel).extractall(folder)
    return {"PYTHONPATH": str(folder)}
