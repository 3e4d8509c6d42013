"""The static plan says from the text alone what the recording pass sees by calling the script."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import render_python_code
from alembic.operations import MigrateOperation, ops
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import postgresql

from alembic_zanith.plan.record import Recording, record
from alembic_zanith.plan.static import StaticScript, operations_in
from alembic_zanith.risk.assessment import Assessment
from alembic_zanith.risk.plan_facts import PlanFacts
from alembic_zanith.risk.reading import changes_of
from tests.test_risk_operations import OPERATIONS

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = sorted((ROOT / "sample_project" / "migrations" / "versions").glob("0*.py"))

HEAD = """\
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "1"
down_revision = None
"""

# Kind, subjects of the changes, line and SQL of each operation.
Seen = list[tuple[str, list[str], int | None, str]]


def script(body: str, more: str = "") -> str:
    body = textwrap.indent(textwrap.dedent(body), "    ")
    return f"{HEAD}\n{textwrap.dedent(more)}\ndef upgrade():\n{body}\n"


def static(body: str, more: str = "") -> StaticScript:
    return operations_in(script(body, more), "upgrade", "1_x.py")


def sql(body: str, more: str = "") -> list[str]:
    """The SQL of a script all of which the text tells."""
    found = static(body, more)
    assert found.ended is None
    assert found.possible == ()
    return [each.sql.removesuffix(";") for each in found.operations]


def seen_in(text: str, function: str) -> Seen:
    found = operations_in(text, function, "1_x.py")
    assert found.ended is None
    facts, seen = PlanFacts(), Seen()
    for each in found.operations:
        assessment = facts.refine(Assessment.of("", changes_of(each.operation)), "1")
        subjects = [finding.change.subject for finding in assessment.findings]
        seen.append((assessment.kind, subjects, each.line, each.sql))
    return seen


def recorded_in(versions: Path, revision: str, function: str) -> Seen:
    directory = ScriptDirectory(str(versions.parent), version_locations=[str(versions)])
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's own
    found = directory.get_revision(revision)
    (plan,) = record([found], Recording(dialect, function == "downgrade")).revisions
    assert plan.ended is None
    return [
        (
            each.assessment.kind,
            [finding.change.subject for finding in each.assessment.findings],
            each.line,
            each.sql,
        )
        for each in plan.operations
    ]


def assert_static_equals_recorded(folder: Path, text: str) -> None:
    """Both ways see the same, and see something, in a script's upgrade()."""
    versions = folder / "versions"
    versions.mkdir()
    (versions / "1_x.py").write_text(text, encoding="utf-8")
    seen = recorded_in(versions, "1", "upgrade")
    assert seen
    assert seen_in(text, "upgrade") == seen


@pytest.mark.parametrize("function", ["upgrade", "downgrade"])
@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_it_equals_the_recorded_plan_of_the_sample_project(path: Path, function: str) -> None:
    recorded = recorded_in(path.parent, path.stem.partition("_")[0], function)
    source = path.read_text(encoding="utf-8")
    # The way back may be that of the revision before.
    assert recorded or (function == "downgrade" and source.endswith("    pass\n"))
    assert seen_in(source, function) == recorded


# Autogenerate never finds these, so that Alembic has no words for them.
NOT_WRITTEN = (ops.BulkInsertOp, ops.CreatePrimaryKeyOp, ops.ExecuteSQLOp, ops.RenameTableOp)


@pytest.mark.parametrize(
    "operation",
    [each for each in OPERATIONS if not isinstance(each, NOT_WRITTEN)],
    ids=lambda operation: type(operation).__name__,
)
def test_it_equals_the_recorded_plan_of_what_autogenerate_writes(
    operation: MigrateOperation, tmp_path: Path
) -> None:
    try:
        body = render_python_code(ops.UpgradeOps([operation]))
    except NotImplementedError:
        pytest.skip("Alembic 1.18 has no words for a check constraint by itself")
    assert_static_equals_recorded(tmp_path, script(textwrap.dedent(f"    {body}")))


COLUMNS = """
op.create_table('accounts',
sa.Column('id', sa.Integer(), sa.Identity(always=True), nullable=False),
sa.Column('kind', sa.Enum('a', 'b', name='account_kind'), nullable=False),
sa.Column('tags', postgresql.ARRAY(sa.String(length=20)), server_default='{}', nullable=False),
sa.Column('data', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
sa.Column('total', sa.Numeric(10, 2), sa.Computed('a + b', persisted=True)),
sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
sa.Column('parent', sa.UUID(), nullable=True),
sa.CheckConstraint('total > 0', name=op.f('ck_accounts_total')),
sa.ForeignKeyConstraint(['parent'], ['app.parents.id'], name='fk', ondelete='CASCADE'),
sa.PrimaryKeyConstraint('id', name=op.f('pk_accounts')),
postgresql.ExcludeConstraint((sa.column('at'), '='), using='gist', name='no_overlap'),
schema='app',
comment='Who pays'
)
with op.batch_alter_table('accounts', schema='app') as batch_op:
    batch_op.add_column(sa.Column('note', sa.Text(), nullable=True))
    batch_op.create_index(batch_op.f('ix_note'), ['note'], unique=False,
                          postgresql_where=sa.text("note IS NOT NULL"))
    batch_op.alter_column('kind',
           existing_type=sa.VARCHAR(length=3),
           type_=sa.Text(),
           existing_nullable=False)
op.create_index('ix_gin', 'accounts', [sa.literal_column('data')], postgresql_using='gin',
                schema='app', postgresql_ops={'data': 'jsonb_path_ops'})
op.execute('DROP TYPE old_kind')
"""


def test_it_equals_the_recorded_plan_of_a_typical_script(tmp_path: Path) -> None:
    assert_static_equals_recorded(tmp_path, script(COLUMNS))


def test_it_equals_the_recorded_plan_of_a_script_with_helpers(tmp_path: Path) -> None:
    more = """
    TABLES = ("a", "b")
    SCHEMA = "app"
    def forget(*names, schema=SCHEMA, **options):
        for name in names:
            op.drop_table(
                name,
                schema=schema,
                **options,
            )
    def stamps(prefix):
        return [sa.Column(f"{prefix}_{each}", sa.DateTime()) for each in ("from", "to")]
    """
    body = """
    forget(*TABLES)
    forget("c", schema=None, if_exists=True)
    made = op.create_table("t", *stamps("valid"), sa.Column("n", sa.Integer))
    op.bulk_insert(made, [{"n": 1}, {"n": 2}])
    (op
        .drop_column)(
        "t", "n")
    (op
        .drop_column(
            *("t", "m")))
    (op.get_context().connection
        .execute(
            sa.text("DELETE FROM t")))
    """
    assert_static_equals_recorded(tmp_path, script(body, more))


def test_nothing_of_the_script_is_run(tmp_path: Path) -> None:
    left = tmp_path / "left.txt"
    more = f"open({str(left)!r}, 'w').close()\nimport package_that_does_not_exist"
    body = f"open({str(left)!r}, 'w').close()\nop.drop_table('t')"
    assert [each.sql for each in static(body, more).operations] == ["DROP TABLE t;"]
    assert not left.exists()


@pytest.mark.parametrize(
    ("body", "written"),
    [
        ("op.drop_table('t' 'u')", "DROP TABLE tu"),
        ("op.drop_table(TABLE)", "DROP TABLE users"),
        ("op.drop_table(f'{TABLE}_{1:02d}')", "DROP TABLE users_01"),
        ("op.drop_table('%s_old' % TABLE)", "DROP TABLE users_old"),
        ("op.drop_table('{}_old'.format(TABLE))", "DROP TABLE users_old"),
        ("op.drop_table(TABLE + '_old')", "DROP TABLE users_old"),
        ("op.drop_table(**{'table_name': TABLE})", "DROP TABLE users"),
        ("name = 'x'\nop.drop_table(name)", "DROP TABLE x"),
        ("a, b = 'x', 'y'\nop.drop_table(b)", "DROP TABLE y"),
        ("op.drop_table('x' if TABLE == 'users' else 'y')", "DROP TABLE x"),
        ("op.execute('; '.join(f'DROP TABLE {x}' for x in 'ab'))", "DROP TABLE a; DROP TABLE b"),
        ("drop = op.drop_table\ndrop('x')", "DROP TABLE x"),
        ("from alembic.op import drop_table as gone\ngone('x')", "DROP TABLE x"),
        ("op.invoke(ops.DropTableOp('x'))", "DROP TABLE x"),
        ("op.get_bind().execute(sa.text('DROP TABLE x'))", "DROP TABLE x"),
        ("anything.execute(sa.text('DROP TABLE x'))", "DROP TABLE x"),
        ("anything.execute(sa.text('DROP TABLE x'), unknown)", "DROP TABLE x"),
        ("cursor.execute('DROP TABLE x')", "DROP TABLE x"),
        ("op.get_bind().exec_driver_sql('DROP TABLE x')", "DROP TABLE x"),
        ("session.execute(sa.delete(sa.table('x')))", "DELETE FROM x"),
        ("sa.Table('x', sa.MetaData()).drop(op.get_bind())", "DROP TABLE x"),
        ("KIND.drop(op.get_bind(), checkfirst=True)", "DROP TYPE kind"),
        ("KIND.create(bind=op.get_bind())", "CREATE TYPE kind AS ENUM ('a')"),
        ("[op.drop_table(x) for x in ['x']]", "DROP TABLE x"),
        ("(lambda name: op.drop_table(name))('x')", "DROP TABLE x"),
        ("if op.get_bind().dialect.name == 'postgresql':\n    op.drop_table('x')", "DROP TABLE x"),
        ("if op.get_context().dialect.name == 'mysql':\n    op.drop_table('x')", None),
        ("with op.get_context().autocommit_block():\n    op.drop_table('x')", "DROP TABLE x"),
        ("try:\n    op.drop_table('x')\nexcept Exception:\n    print()", "DROP TABLE x"),
        ("op.drop_table('x')\nreturn\nop.drop_table('y')", "DROP TABLE x"),
        ("global TABLE\nTABLE = 'x'\nother()", "DROP TABLE x"),
    ],
)
def test_what_the_text_tells_is_worked_out(body: str, written: str | None) -> None:
    more = """
    from alembic.operations import ops
    TABLE: str = "users"
    KIND = postgresql.ENUM("a", name="kind")
    def other():
        op.drop_table(TABLE)
    """
    assert [each.strip() for each in sql(body, more)] == ([] if written is None else [written])


@pytest.mark.parametrize(
    ("body", "call", "why"),
    [
        ("op.drop_table(name())", "op.drop_table(name())", "`name` has no value in the text"),
        (
            "from myapp.names import name\nop.add_column('t', sa.Column(name, sa.Text))",
            "op.add_column('t', sa.Column(name, sa.Text))",
            "`name` is imported from myapp.names",
        ),
        (
            "found = op.get_bind().scalar(sa.text('SELECT 1'))\nop.drop_table(found)",
            "op.drop_table(found)",
            "it is the result of a statement",
        ),
        (
            "names = ['a']\nnames.append(x)\nop.drop_table(names[-1])",
            "op.drop_table(names[-1])",
            "`names` gets its value only when the script runs",
        ),
        (
            "name = 'a'\nif x: name = 'b'\nop.drop_table(name)",
            "op.drop_table(name)",
            "`name` gets its value only when the script runs",
        ),
        (
            "op.drop_table('a', nonsense=5, more=6, b=open('x').read())",
            "op.drop_table('a', nonsense=5, more=6, b=open('x').read())",
            "`open` has no value in the text",
        ),
        ("op.execute('x' * 10**9)", "op.execute('x' * 10 ** 9)", "Pow is not worked out"),
        ("from .helpers import go\ngo('t')", "go('t')", "`go` is imported from .helpers"),
    ],
)
def test_what_it_does_not_tell_is_a_possible_call_and_the_reason_is_given(
    body: str, call: str, why: str
) -> None:
    found = static(body)
    assert [each.source for each in found.possible] == [call]
    line = found.possible[0].line
    assert found.ended == f"the text alone does not tell: line {line}, {call}: {why}"


def test_an_unknown_part_does_not_hide_the_operations_around_it() -> None:
    found = static("op.drop_table('a')\nop.drop_table(b)\nop.drop_table('c')")
    assert [(each.sql, each.line) for each in found.operations] == [
        ("DROP TABLE a;", 10),
        ("DROP TABLE c;", 12),
    ]
    assert [each.line for each in found.possible] == [11]


@pytest.mark.parametrize(
    ("body", "under"),
    [
        ("if x:\n    op.drop_table('t')", "if"),
        ("if x:\n    pass\nelse:\n    op.drop_table('t')", "if"),
        ("for each in x:\n    op.drop_table('t')", "for"),
        ("while x:\n    op.drop_table('t')", "while"),
        ("try:\n    pass\nexcept Exception:\n    op.drop_table('t')", "except"),
        ("match x:\n    case 1:\n        op.drop_table('t')", "match"),
        ("if x:\n    helper()", "if"),
    ],
)
def test_an_operation_under_a_condition_is_listed_with_it(body: str, under: str) -> None:
    found = static(body, "def helper():\n    op.drop_table('t')")
    (operation,) = found.operations
    assert (operation.sql, operation.under) == ("DROP TABLE t;", under)
    assert found.ended is not None
    assert f"only when it runs it is known whether `{under}`" in found.ended


def test_conditions_without_operations_leave_the_plan_whole() -> None:
    assert sql("if x:\n    print(1)\nop.drop_table('t')") == ["DROP TABLE t"]


def test_a_statement_is_told_from_an_operation() -> None:
    found = static("op.execute('SELECT 1')\nop.get_bind().execute(sa.text('SELECT 2'))")
    assert [each.is_statement for each in found.operations] == [False, True]


OWN = "import app.types\nfrom app.types import UUID"


@pytest.mark.parametrize(
    ("body", "written"),
    [
        (
            "op.create_table('t', sa.Column('id', app.types.UUID(), nullable=False))",
            "CREATE TABLE t (\n    id app.types.UUID() NOT NULL\n)",
        ),
        (
            "op.add_column('t', sa.Column('id', UUID, nullable=True))",
            "ALTER TABLE t ADD COLUMN id UUID",
        ),
        ("op.alter_column('t', 'c', type_=UUID())", "ALTER TABLE t ALTER COLUMN c TYPE UUID()"),
    ],
)
def test_a_type_of_the_project_is_known_by_its_text(body: str, written: str) -> None:
    assert sql(body, OWN) == [written]


def test_what_is_no_type_is_not_taken_for_one() -> None:
    found = static("op.add_column('t', sa.Column('id', sa.Integer, column_of('id')))", OWN)
    assert found.operations == ()
    assert static("op.add_column('t', sa.Column(column_of('id'), UUID))", OWN).operations == ()


def test_other_names_in_a_batch_know_its_table() -> None:
    body = "with op.batch_alter_table('t', schema='s') as b:\n    b.drop_column('c')"
    (found,) = static(body).operations
    assert isinstance(found.operation, ops.DropColumnOp)
    assert (found.operation.schema, found.operation.table_name) == ("s", "t")


def test_a_batch_that_cannot_be_does_not_hide_what_comes_after_it() -> None:
    body = "with op.batch_alter_table('t', recreate='x') as b:\n    b.drop_column('c')\n"
    found = static(f"{body}op.drop_table('t')")
    assert [each.sql for each in found.operations] == ["DROP TABLE t;"]
    assert [each.source for each in found.possible] == ["b.drop_column('c')"]


def test_a_column_is_not_taken_for_a_function() -> None:
    found = static("op.execute(sa.column('a')(sa.column('b')))")
    assert [each.line for each in found.possible] == [10]


def test_a_very_long_sum_is_no_obstacle() -> None:
    found = static(f"op.execute({' + '.join(['x'] * 900)})")
    assert [each.line for each in found.possible] == [10]


def test_functions_that_call_themselves_come_to_an_end() -> None:
    found = static("again()", "def again():\n    op.drop_table('t')\n    again()")
    assert found.ended is not None


def test_loops_without_end_come_to_an_end() -> None:
    nested = "for a in range(9999):\n    for b in range(9999):\n        x = a"
    found = static(nested)
    assert found.ended == "the text alone does not tell: it is too long to be worked out"


@pytest.mark.parametrize(
    "value",
    ["range(10**12)", "list(range(99999999))", "'x' * 99999999"]
    # A column has an item at every index.
    + [form.format("sa.column('a')") for form in ("list({})", "[*{}]", "','.join({})", "1 in {}")],
)
def test_what_would_take_all_memory_is_not_worked_out(value: str) -> None:
    found = static(f"op.execute({value})")
    assert [each.source for each in found.possible] == [
        f"op.execute({value})".replace("**", " ** ")
    ]


@pytest.mark.parametrize(
    "call",
    [
        "sa.create_engine('postgresql://x/y')",
        "sa.event.listen(sa.Table, 'after_create', print)",
        "sa.sql.functions.register_function('f', print)",
        "sa.dialects.registry.register('a', 'b', 'c')",
        "sa.util.preloaded.engine_url",
        "op.register_operation('x')",
        "op.run_async(f)",
        "postgresql.dialect().on_connect()",
        "sa.Table.__init__",
        "''.__class__.__mro__",
        "sa.MetaData().reflect(op.get_bind())",
    ],
)
def test_more_than_constructors_of_sqlalchemy_is_not_called(call: str) -> None:
    found = static(f"x = {call}\nop.execute(f'{{x}}')")
    assert found.operations == ()
    assert found.ended is not None


def test_a_script_that_is_no_python_says_so() -> None:
    found = operations_in("def upgrade(:", "upgrade", "versions/1_x.py")
    assert found.operations == ()
    assert str(found.ended).startswith("versions/1_x.py is no Python that can be read: ")


def test_a_function_that_is_no_def_is_looked_into() -> None:
    found = operations_in(f"{HEAD}\nupgrade = lambda: op.drop_table('t')", "upgrade", "1_x.py")
    assert [each.source for each in found.possible] == ["op.drop_table('t')"]
    assert found.ended == "1_x.py has no `def upgrade()` at its top level"


def test_a_decorator_may_change_everything() -> None:
    text = f"{HEAD}\n@twice\ndef upgrade():\n    op.drop_table('t')"
    found = operations_in(text, "upgrade", "1_x.py")
    assert len(found.operations) == 1
    assert found.ended is not None


def test_a_script_that_raises_ends_there() -> None:
    found = static("op.drop_table('t')\nraise NotImplementedError('no way back')")
    assert len(found.operations) == 1
    assert found.ended == (
        "the text alone does not tell: "
        "line 11, raise NotImplementedError('no way back'): it ends there"
    )


def test_metadata_is_left_as_it_was() -> None:
    table = sa.Table("t", sa.MetaData(), sa.Column("a", sa.Integer))
    static("op.create_table('t', sa.Column('b', sa.Integer))")
    assert list(table.columns.keys()) == ["a"]
