"""Plans for programs: the documented keys, and no others missing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from alembic_zanith.reports.plan_json import json_text
from alembic_zanith.reports.plan_report import Layout, PlanReport
from tests.support.plans import CONSENT, EVERYTHING, NOTHING, PASSING, ROOT


def loaded(*reports: PlanReport) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json_text(reports, Layout(ROOT)))
    return found


def test_everything() -> None:
    document = loaded(EVERYTHING)
    assert (document["version"], document["passed"]) == (1, False)
    (plan,) = document["plans"]
    first, second = plan.pop("revisions")
    assert plan == {
        "database": None,
        "direction": "upgrade",
        "facts": {"database": "shop", "server": "18.1"},
        "mode": "staging",
        "passed": False,
        "gates": ["allow-destructive", "shadow-verified"],
        "level": "destructive",
        "score": 80,
        "levels": {"destructive": 1, "medium": 2, "safe": 1},
        "refusals": [
            {
                "revision": "1a2b",
                "operation": 1,
                "because": [{"gate": "allow-destructive", "why": "what loses data needs consent"}],
                "instead": ["op.soft_drop_column('users', 'email')", CONSENT],
            },
            {
                "revision": None,
                "operation": None,
                "because": [{"gate": "shadow-verified", "why": "there is no receipt"}],
                "instead": ["To run without one, skip it."],
            },
        ],
        "probes": ["users.name: 2 rows share a value, for example 'Ann'."],
        "warnings": list(EVERYTHING.gates.warnings),
    }
    operations = first.pop("operations")
    assert first == {
        "revision": "1a2b",
        "description": "step 1a2b",
        "path": "migrations/versions/1a2b_step.py",
        "level": "destructive",
        "score": 80,
        "partial": False,
        "ended": None,
        "possible_calls": [],
        "complaints": ["Line 30 allows drops_table without saying why."],
    }
    assert operations[1] == {
        "operation": "op.call",
        "kind": "drop_column",
        "object": "users.email",
        "level": "destructive",
        "score": 80,
        "reasons": [
            {"code": "drops_column_with_data", "meaning": "the values of the column are lost"}
        ],
        "facts": ["users has about 50,000 rows, 7 MB"],
        "rows": 50_000,
        "lock": "ACCESS EXCLUSIVE",
        "line": 22,
        "sql": "ALTER TABLE users DROP email",
        "instead": ["op.soft_drop_column('users', 'email')"],
        "allowed_by": [],
    }
    assert operations[2]["allowed_by"] == [
        {"code": "drops_index", "why": "nobody reads by name", "line": 24}
    ]
    assert (operations[0]["lock"], operations[0]["rows"]) == (None, None)
    assert second["partial"] is True
    assert second["ended"] == "it reads the rows of: SELECT id FROM users"
    assert second["possible_calls"] == [{"line": 12, "source": "op.drop_table(row.name)"}]


def test_several_databases_pass_only_together() -> None:
    document = loaded(replace(PASSING, database="engine1"), replace(EVERYTHING, database="engine2"))
    assert document["passed"] is False
    assert [(each["database"], each["passed"]) for each in document["plans"]] == [
        ("engine1", True),
        ("engine2", False),
    ]


def test_nothing_pending_has_no_revisions() -> None:
    document = loaded(NOTHING)
    assert document["passed"] is True
    assert document["plans"][0]["revisions"] == []
