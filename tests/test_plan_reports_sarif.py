"""Plans for code scanning: SARIF 2.1.0 with a rule for each reason."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from alembic_zanith.reports.plan_report import Layout, PlanReport
from alembic_zanith.reports.plan_sarif import sarif_text
from alembic_zanith.risk.levels import Level
from alembic_zanith.risk.reasons import Reason
from tests.support.plans import (
    EVERYTHING,
    NOTHING,
    PASSING,
    ROOT,
    plan_of,
    planned,
    revision,
    told,
)


def log(*reports: PlanReport, root: str = ROOT) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(sarif_text(reports, Layout(root)))
    return found


def results(*reports: PlanReport) -> list[dict[str, Any]]:
    (run,) = log(*reports)["runs"]
    found: list[dict[str, Any]] = run["results"]
    return found


@pytest.mark.parametrize("report", [EVERYTHING, NOTHING, PASSING])
def test_what_the_schema_requires_is_there(report: PlanReport) -> None:
    """https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"""
    document = log(report)
    assert document["version"] == "2.1.0"
    assert document["$schema"].startswith("https://")
    (run,) = document["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "alembic-zanith"
    ids = [rule["id"] for rule in driver["rules"]]
    assert len(ids) == len(set(ids))
    assert all(rule["help"]["text"] for rule in driver["rules"])
    for result in run["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        assert result["message"]["text"]
        assert isinstance(result["suppressions"], list)
        for location in result.get("locations", []):
            assert location["physicalLocation"]["region"]["startLine"] >= 1
    for invocation in run["invocations"]:
        assert invocation["executionSuccessful"] is True
        assert all(each["message"]["text"] for each in invocation["toolExecutionNotifications"])


def test_every_reason_has_a_rule_with_help_and_the_way_to_the_docs() -> None:
    rules = {rule["id"]: rule for rule in log(NOTHING)["runs"][0]["tool"]["driver"]["rules"]}
    assert {str(reason) for reason in Reason} <= set(rules)
    assert rules["drops_index"] == {
        "id": "drops_index",
        "shortDescription": {"text": "Queries that used the index read the whole table."},
        "help": {
            "text": "Queries that used the index read the whole table. See docs/risk.md of "
            "alembic-zanith.",
            "markdown": "Queries that used the index read the whole table. See "
            "[docs/risk.md](docs/risk.md) of alembic-zanith.",
        },
    }
    assert "INSERT" in rules["adds_required_column_without_default"]["help"]["text"]


def test_a_refused_operation_is_an_error_at_its_line() -> None:
    (found,) = [each for each in results(EVERYTHING) if each["ruleId"] == "drops_column_with_data"]
    assert found["level"] == "error"
    assert found["message"]["text"] == (
        "drop_column users.email: destructive (80).\n"
        "the values of the column are lost.\n"
        "users has about 50,000 rows, 7 MB.\n"
        "gate allow-destructive: what loses data needs consent.\n"
        "instead: op.soft_drop_column('users', 'email')\n"
        "or: To lose the data on purpose, run it with --allow-destructive."
    )
    assert found["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {
                    "uri": "migrations/versions/1a2b_step.py",
                    "uriBaseId": "%SRCROOT%",
                },
                "region": {"startLine": 22},
            }
        }
    ]
    assert found["properties"] == {
        "kind": "drop_column",
        "score": 80,
        "revision": "1a2b",
        "reasons": ["drops_column_with_data"],
    }


def test_a_suppression_is_told_in_the_field_for_it() -> None:
    (found,) = [each for each in results(EVERYTHING) if each["ruleId"] == "drops_index"]
    (suppression,) = found["suppressions"]
    assert suppression["kind"] == "inSource"
    assert suppression["justification"] == "drops_index: nobody reads by name"
    assert suppression["location"]["physicalLocation"]["region"] == {"startLine": 24}


def test_what_is_let_pass_is_a_warning_from_medium_on_and_a_note_below() -> None:
    levels = {
        "CREATE EXTENSION hstore": "note",
        "ALTER TABLE t ADD c int": "note",
        "CREATE INDEX CONCURRENTLY i ON t (c)": "note",
        "CREATE INDEX i ON t (c)": "warning",
        "ALTER TABLE t ALTER c SET NOT NULL": "warning",
        "DROP TABLE t": "warning",
    }
    plan = plan_of(revision("1a2b", *(planned(sql, 3) for sql in levels)))
    found = results(PlanReport(plan, told()))
    assert [each["level"] for each in found] == list(levels.values())


def test_what_has_no_reason_is_no_result() -> None:
    assert results(PASSING) == []


def test_partial_revisions_complaints_and_refused_runs_have_rules_of_their_own() -> None:
    found = {each["ruleId"]: each for each in results(EVERYTHING)}
    assert found["refused_run"]["level"] == "error"
    assert "locations" not in found["refused_run"]
    assert found["known_in_part"]["message"]["text"] == (
        "Known in part, because it reads the rows of: SELECT id FROM users."
    )
    assert found["suppression"]["level"] == "warning"


def test_a_path_is_a_uri_and_one_outside_of_the_project_is_whole() -> None:
    odd = replace(revision("1a2b", planned("DROP TABLE t", 3)), path=f"{ROOT}/my versions/ä#1.py")
    report = PlanReport(plan_of(odd), told())

    def uri(root: str) -> dict[str, str]:
        location = log(report, root=root)["runs"][0]["results"][0]["locations"][0]
        place: dict[str, str] = location["physicalLocation"]["artifactLocation"]
        return place

    assert uri(ROOT) == {"uri": "my%20versions/%C3%A4%231.py", "uriBaseId": "%SRCROOT%"}
    outside = uri(f"{ROOT}/elsewhere")
    assert outside["uri"].startswith("file:///")
    assert outside["uri"].endswith("/my%20versions/%C3%A4%231.py")
    assert "uriBaseId" not in outside


def test_several_databases_are_several_runs() -> None:
    runs = log(replace(PASSING, database="engine1"), replace(NOTHING, database="engine2"))["runs"]
    assert [run["automationDetails"]["id"] for run in runs] == [
        "zanith-plan/engine1/",
        "zanith-plan/engine2/",
    ]


def test_every_level_has_a_level_of_sarif() -> None:
    from alembic_zanith.reports.plan_sarif import _LEVELS

    assert set(_LEVELS) == set(Level)
