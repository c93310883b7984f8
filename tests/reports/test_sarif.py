"""SARIF 2.1.0, held to what its schema asks for."""

import json
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pydantic import ValidationError
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as Schema

from exray.reports.sarif import sarif_log
from exray.reports.scan_outcomes import ScanOutcome, outcomes_json
from exray.results.model_scan import ModelScan
from exray.results.provenance import Provenance
from exray.results.records import ScanRecord
from exray.rules.verdict import Verdict
from exray.storage.plain_json import to_json

LEVELS = {"none", "note", "warning", "error"}
ROOT = Path("/work space/repository")


def outcome(verdict, file="models/m 1.pt"):
    record = ScanRecord(
        model_id="m",
        run_id="r",
        status="failed" if verdict is Verdict.FAILED else "done",
        verdict=verdict,
        probability=0.75,
        error_line="broken" if verdict is Verdict.FAILED else "",
        provenance=Provenance(date="2026-01-31T12:00:00+00:00", model_sha256="ab" * 32),
    )
    return ScanOutcome(file=str(ROOT / file), scan=ModelScan(record=record))


@pytest.fixture
def outcomes():
    mistake = ScanOutcome(file="/elsewhere/x.pt", scan=None, mistake="FILE must be a file")
    return [*(outcome(verdict) for verdict in Verdict), mistake]


@pytest.fixture
def log(outcomes):
    values = sarif_log(outcomes, status=1, version="0.1.0", command="exray scan x", root=ROOT)
    return json.loads(to_json(values))


def test_the_log_keeps_to_the_schema_which_refuses_other_names_and_values(log):
    Schema.model_validate(log)
    (run,) = log["runs"]
    for place, key, value in [
        (run, "artefacts", []),
        (run["results"][0], "level", "fatal"),
        (run["results"][0], "rank", 101),
        (run["invocations"][0], "exitCode", "one"),
    ]:
        before = place.get(key)
        place[key] = value
        with pytest.raises(ValidationError, match=key):
            Schema.model_validate(log)
        place[key] = before
        if before is None:
            del place[key]


def test_the_log_has_what_the_schema_requires(log):
    assert (log["version"], set(log)) == ("2.1.0", {"$schema", "version", "runs"})
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "exray"
    for rule in driver["rules"]:
        assert re.fullmatch(r"EXRAY\d{3}", rule["id"])
        assert rule["defaultConfiguration"]["level"] in LEVELS
        for name in ("shortDescription", "fullDescription", "help"):
            assert rule[name]["text"]
    assert len({rule["id"] for rule in driver["rules"]}) == len(driver["rules"])


def test_results_point_at_their_rules_and_artifacts(log):
    (run,) = log["runs"]
    for result in run["results"]:
        rule = run["tool"]["driver"]["rules"][result["ruleIndex"]]
        assert rule["id"] == result["ruleId"]
        assert result["level"] == rule["defaultConfiguration"]["level"]
        assert result["message"]["text"]
        (location,) = result["locations"]
        place = location["physicalLocation"]
        assert place["region"]["startLine"] >= 1
        artifact = run["artifacts"][place["artifactLocation"]["index"]]
        assert artifact["location"]["uri"] == place["artifactLocation"]["uri"]
        assert 0 <= result.get("rank", 0) <= 100


def test_addresses_are_uris_relative_to_the_root_where_they_can_be(log):
    (run,) = log["runs"]
    addresses = {artifact["location"]["uri"] for artifact in run["artifacts"]}
    assert addresses == {"models/m%201.pt", "file:///elsewhere/x.pt"}
    for address in addresses:
        assert urlsplit(address).scheme in ("", "file")
        assert " " not in address


def test_a_clean_model_is_an_artifact_without_a_result_and_the_others_have_their_levels(log):
    (run,) = log["runs"]
    assert len(run["artifacts"]) == len(Verdict) + 1
    levels = [(result["ruleId"], result["level"]) for result in run["results"]]
    assert levels == [
        ("EXRAY002", "note"),
        ("EXRAY001", "error"),
        ("EXRAY003", "warning"),
        ("EXRAY004", "warning"),
        ("EXRAY004", "warning"),
    ]
    for artifact in run["artifacts"][:-1]:
        assert re.fullmatch("[0-9a-f]{64}", artifact["hashes"]["sha-256"])


def test_failures_are_notifications_and_the_invocation_says_so(log):
    (invocation,) = log["runs"][0]["invocations"]
    assert invocation["executionSuccessful"] is False
    assert (invocation["exitCode"], invocation["commandLine"]) == (1, "exray scan x")
    texts = [one["message"]["text"] for one in invocation["toolExecutionNotifications"]]
    assert len(texts) == 2
    assert "FILE must be a file" in texts[1]


def test_without_failures_the_invocation_is_successful():
    values = sarif_log([outcome(Verdict.CLEAN)], status=0, version="1", command="", root=ROOT)
    (invocation,) = json.loads(to_json(values))["runs"][0]["invocations"]
    assert invocation == {
        "executionSuccessful": True,
        "exitCode": 0,
        "toolExecutionNotifications": [],
    }


def test_a_failed_scan_has_no_probability_in_any_document(outcomes, log):
    for result in log["runs"][0]["results"]:
        has_one = "probability" in result.get("properties", {})
        assert has_one == (result["ruleId"] != "EXRAY004")
    values = json.loads(to_json(outcomes_json(outcomes, status=1, version="1", command="")))
    for model in values["models"]:
        assert (model["probability"] is None) == (model["verdict"] == "failed")
        assert model.get("record", {}).get("probability") == model["probability"]


def test_the_json_document_holds_the_answer_the_record_and_the_triggers(make_trigger):
    scanned = outcome(Verdict.TROJANED)
    scan = replace(scanned.scan, triggers=(make_trigger(0, is_injected=True),))
    one = replace(scanned, scan=scan, report="results/m/report.html")
    values = json.loads(to_json(outcomes_json([one], status=1, version="0.1.0", command="c")))
    (model,) = values["models"]
    assert (values["status"], values["format"], model["report"]) == (1, 1, "results/m/report.html")
    assert model["answer"]["next_steps"][0] == "Do not use this model."
    assert model["triggers"][0]["victim_name"] == "stop"
    assert model["record"]["provenance"]["date"] == "2026-01-31T12:00:00+00:00"
