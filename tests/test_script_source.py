"""What a script could call, found in its text: nothing that reaches a database stays unnamed."""

from __future__ import annotations

import textwrap

import pytest

from alembic_zanith.plan.source import possible_calls, reaches_around

HEAD = """\
import asyncio, json, os, subprocess
import psycopg, psycopg2
import sqlalchemy as sa
from alembic import command, context, op
from alembic import op as o
from alembic.op import drop_table, drop_table as gone
from psycopg2.extras import execute_values
from sqlalchemy import create_engine, orm
from sqlalchemy.orm import Session, sessionmaker

from myapp import migrations
from myapp.models import Base, User
from myapp.types import GUID, Mover
from .helpers import move_rows

execute = op.execute
run = execute
users = sa.table("users")
status = sa.Enum("a", name="status")
"""


def script(body: str, more: str = "") -> str:
    return f"{HEAD}\n{textwrap.dedent(more)}\ndef upgrade():\n{textwrap.indent(textwrap.dedent(body), '    ')}\n"


def possible(body: str, more: str = "") -> list[str]:
    return [each.source for each in possible_calls(script(body, more), "upgrade", 0)]


def around(body: str, more: str = "") -> list[str]:
    return [each.source for each in reaches_around(script(body, more), "upgrade")]


@pytest.mark.parametrize(
    "call",
    [
        "op.drop_table('t')",
        "op.execute('DROP TABLE t')",
        "op.soft_drop_table('t')",
        "op.operation_of_a_plugin('t')",
        "o.drop_table('t')",
        "drop_table('t')",
        "gone('t')",
        "execute('DROP TABLE t')",
        "run('DROP TABLE t')",
        "getattr(op, 'drop_table')('t')",
        "getattr(op, 'drop_' + what)('t')",
        "(op.drop_table if x else op.drop_index)('t')",
        "map(op.drop_table, names)",
        "thread.submit(op.drop_table, 't')",
        "command.downgrade(config, 'base')",
        "context.execute('DROP TABLE t')",
    ],
)
def test_an_operation_is_named_by_whatever_name_it_is_called(call: str) -> None:
    assert possible(call) == [call]


def test_the_operations_of_a_batch_are_named() -> None:
    body = "with o.batch_alter_table('t') as changes:\n    changes.drop_column('c')"
    assert possible(body) == ["changes.drop_column('c')"]


def test_a_name_may_stand_for_an_operation_inside_a_function_too() -> None:
    assert possible("from alembic import op as x\ny = x.drop_index\ny('i')") == ["y('i')"]


@pytest.mark.parametrize(
    "call",
    [
        "anything.execute(sa.text('DROP TABLE t'))",
        "op.get_bind().exec_driver_sql('DROP TABLE t')",
        "op.get_bind().scalar(statement)",
        "op.get_bind().scalars(statement)",
        "users.drop(op.get_bind())",
        "status.create(op.get_bind())",
        "Base.metadata.drop_all(bind)",
        "sa.MetaData().create_all(bind=bind)",
        "session.add(row)",
        "session.delete(row)",
        "session.merge(row)",
        "anything.add_all(rows)",
        "anything.bulk_save_objects(rows)",
        "anything.bulk_insert_mappings(User, rows)",
        "session.query(User).filter(User.id == 1).delete()",
        "anything.query(User).update({'a': 1})",
        "found.delete(synchronize_session=False)",
        "connection.run_sync(Base.metadata.drop_all)",
        "create_engine(url)",
        "tables.migrate(op.get_bind())",
        "exec(text)",
    ],
)
def test_a_call_on_a_connection_or_session_is_named(call: str) -> None:
    assert possible(call) == [call]


@pytest.mark.parametrize(
    "make",
    [
        "Session(bind=op.get_bind())",
        "Session(op.get_bind())",
        "orm.Session(bind=op.get_bind())",
        "sessionmaker(bind=op.get_bind())()",
    ],
)
def test_a_session_is_followed_by_the_name_it_is_given(make: str) -> None:
    assert possible(f"x = {make}\nx.add(row)\nx.commit()") == ["x.add(row)"]
    assert possible(f"with {make} as x:\n    x.add(row)") == ["x.add(row)"]


@pytest.mark.parametrize(
    "call",
    [
        "op.get_bind().commit()",
        "op.get_bind().execute",
        "op.f('name')",
        "op.get_context().autocommit_block()",
        "sa.Column('c', sa.Integer())",
        "sa.inspect(op.get_bind()).get_columns('t')",
        "users.update().values(a=1)",
        "sa.Column('c', GUID(), server_default=json.dumps({}))",
        "seen.add(1)",
        "settings.update(a=1)",
        "print(op.get_bind())",
        "', '.join(names)",
        "json.dumps(names)",
    ],
)
def test_what_changes_nothing_is_not_named(call: str) -> None:
    assert possible(call) == []


def test_reading_a_result_is_not_named_beside_the_statement() -> None:
    assert possible("x = bind.execute(query).scalars()") == ["bind.execute(query)"]


@pytest.mark.parametrize("call", ["migrations.split(x)", "move_rows('a')", "Mover(op.get_bind())"])
def test_what_other_modules_of_the_project_do_is_named(call: str) -> None:
    assert possible(call) == [call]


def test_methods_of_what_another_module_made_are_named() -> None:
    assert possible("mover = Mover()\nmover.go()") == ["mover.go()"]


def test_names_of_a_star_import_are_named() -> None:
    assert possible("split('t')", "from .helpers import *") == ["split('t')"]


@pytest.mark.parametrize(
    ("more", "body"),
    [
        ("def helper():\n    op.drop_table('t')", "helper()"),
        ("async def helper():\n    op.drop_table('t')", "asyncio.run(helper())"),
        ("def helper():\n    op.drop_table('t')", "x = helper\nx()"),
        ("def helper():\n    op.drop_table('t')\ndef middle(): helper()", "middle()"),
        ("def helper():\n    op.drop_table('t')", "for each in (helper, print): each()"),
        ("helper = lambda: op.drop_table('t')", "helper()"),
        ("STEPS = [lambda: op.drop_table('t')]", "for step in STEPS: step()"),
        ("class Steps:\n    def go(self): op.drop_table('t')", "Steps().go()"),
        (
            "class Base:\n    def go(self): op.drop_table('t')\nclass Steps(Base): pass",
            "Steps().go()",
        ),
        ("", "def inner():\n    op.drop_table('t')\ninner()"),
        ("", "(lambda: op.drop_table('t'))()"),
    ],
)
def test_functions_lambdas_and_classes_of_the_script_are_looked_into(more: str, body: str) -> None:
    assert possible(body, more) == ["op.drop_table('t')"]


def test_a_function_that_nothing_names_is_not_looked_into() -> None:
    assert possible("pass", "def downgrade():\n    op.drop_table('t')") == []


def test_functions_that_call_each_other_are_looked_into_once() -> None:
    more = "def a():\n    b()\ndef b():\n    op.drop_table('t')\n    a()"
    assert possible("a()", more) == ["op.drop_table('t')"]


def after(text: str, line: int) -> list[int]:
    return [each.line for each in possible_calls(textwrap.dedent(text), "upgrade", line)]


def test_what_stands_in_front_of_the_line_has_been_recorded() -> None:
    text = """\
    def upgrade():
        op.drop_table('a')
        op.drop_table('b')
        op.drop_table('c')
    """
    assert after(text, 3) == [4]
    assert after(text, 0) == [2, 3, 4]


def test_a_loop_may_come_back_to_lines_in_front() -> None:
    text = """\
    def upgrade():
        op.drop_table('a')
        while more():
            op.drop_table('b')
            op.drop_table('c')
            op.drop_table('d')
    """
    assert after(text, 5) == [4, 5, 6]


def test_a_line_of_another_function_says_nothing_about_this_one() -> None:
    text = """\
    def upgrade():
        helper()
        op.drop_table('a')
    def helper():
        op.drop_table('b')
    """
    assert after(text, 5) == [3, 5]


@pytest.mark.parametrize(
    ("body", "calls"),
    [
        (
            "cursor = op.get_bind().connection.cursor()\ncursor.execute('x')\ncursor.fetchall()",
            ["cursor.execute('x')"],
        ),
        (
            "raw = op.get_bind().connection\nwith raw.cursor() as c:\n    c.execute('x')",
            ["c.execute('x')"],
        ),
        ("op.get_bind().engine.raw_connection().cursor().execute('x')", None),
        ("op.get_context().connection.connection.cursor().execute('x')", None),
        ("op.get_bind().connection.dbapi_connection.execute('x')", None),
        ("op.get_bind().connection.driver_connection.execute('x')", None),
        ("(await conn.get_raw_connection()).driver_connection.execute('x')", None),
        ("Session(op.get_bind()).connection().connection.execute('x')", None),
        ("cursor.copy_expert('COPY t FROM STDIN', file)", None),
        ("anything.copy_records_to_table('t', records=rows)", None),
        ("op.get_bind().connection.cursor().copy('COPY t FROM STDIN')", None),
        ("anything.executemany('x', rows)", None),
        ("execute_values(cursor, 'x', rows)", None),
        ("move_rows(op.get_bind().connection)", None),
        ("psycopg.connect(url)", None),
        (
            "with psycopg2.connect(url) as c:\n    c.execute('x')",
            ["psycopg2.connect(url)", "c.execute('x')"],
        ),
        ("getattr(op.get_bind(), 'connection').cursor().execute('x')", None),
        ("getattr(op.get_bind(), name).cursor().execute('x')", None),
        ("op.get_bind().dialect.dbapi.connect(url)", None),
        ("op.get_bind().dialect.do_execute(cursor, 'x', ())", None),
        ("execute_values(anything, 'x', rows)", None),
        ("__import__('subprocess').run('psql')", None),
        ("self.raw = op.get_bind().connection", None),
        ("subprocess.run(['psql', '-c', 'x'])", None),
        ("subprocess.check_call(['psql'])", None),
        ("os.system('psql')", None),
        ("os.execvp('psql', [])", None),
        ("asyncio.create_subprocess_exec('psql')", None),
    ],
)
def test_what_sqlalchemy_does_not_see_reaches_around(body: str, calls: list[str] | None) -> None:
    assert sorted(around(body)) == sorted(calls or [body])
    assert set(around(body)) <= set(possible(body))


@pytest.mark.parametrize(
    "body",
    [
        "op.get_bind().execute(sa.text('DROP TABLE t'))",
        "op.get_bind().exec_driver_sql('DROP TABLE t')",
        "op.get_context().connection.execute(sa.text('x'))",
        "x = op.get_context()\nx.connection.execute(sa.text('x'))",
        "Session(op.get_bind()).execute(sa.text('x'))",
        "create_engine(url).connect().execute(sa.text('x'))",
        "op.drop_table('t')",
        "move_rows(op.get_bind())",
        "raw = op.get_bind().connection\nraw.close()",
        "print(op.get_bind().connection.cursor())",
        "os.path.join('a', 'b')",
        "settings.copy()",
    ],
)
def test_what_sqlalchemy_sees_does_not_reach_around(body: str) -> None:
    assert around(body) == []


def test_a_script_that_is_no_python_calls_nothing() -> None:
    assert possible_calls("def upgrade(:\n    op.drop_table('t')", "upgrade", 0) == ()
    assert reaches_around("def upgrade(:\n    cursor.execute('x')", "upgrade") == ()


def test_a_very_long_sum_is_no_obstacle() -> None:
    text = f"def upgrade():\n    cursor.execute({' + '.join(['x'] * 900)})"
    assert [each.line for each in reaches_around(text, "upgrade")] == [2]


def test_a_script_that_cannot_be_read_could_do_anything() -> None:
    text = f"def upgrade():\n    cursor.execute({' + '.join(['x'] * 20_000)})"
    (found,) = reaches_around(text, "upgrade")
    assert found.source.startswith("(anything") or found.line == 2


def test_a_byte_order_mark_is_no_obstacle() -> None:
    text = "\ufeffdef upgrade():\n    op.drop_table('t')\n    cursor.execute('x')"
    assert len(possible_calls(text, "upgrade", 0)) == 2
    assert len(reaches_around(text, "upgrade")) == 1


def test_a_connection_is_followed_into_a_function_of_the_script() -> None:
    more = "def fill(c):\n    c.execute('x')"
    assert around("fill(op.get_bind().connection.cursor())", more) == ["c.execute('x')"]
    assert around("fill(op.get_bind())", more) == []


def test_a_connection_is_followed_out_of_a_function_of_the_script() -> None:
    more = "def raw():\n    return op.get_bind().connection"
    assert around("raw().execute('x')", more) == ["raw().execute('x')"]


def test_the_same_name_in_another_function_is_another_connection() -> None:
    more = "def other():\n    c = op.get_bind().connection.cursor()"
    assert around("c = op.get_bind()\nc.execute(sa.text('x'))", more) == []
