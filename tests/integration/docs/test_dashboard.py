"""docs/grafana/sosw.json: a dashboard that Grafana imports, of metrics that exist."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema

from sosw_airflow.jobs.metrics import METRICS, Kind

DASHBOARD: dict[str, Any] = json.loads((Path(__file__).parents[3] / "docs" / "grafana" / "sosw.json").read_text())

#: What Grafana needs of a dashboard, by its documentation of the JSON model.
SCHEMA = {
    "type": "object",
    "required": ["title", "uid", "schemaVersion", "panels", "templating", "time"],
    "properties": {
        "uid": {"type": "string", "maxLength": 40},
        "schemaVersion": {"type": "integer", "minimum": 36},
        "panels": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["id", "type", "title", "gridPos", "datasource", "targets"],
                "properties": {
                    "type": {"const": "timeseries"},
                    "gridPos": {
                        "type": "object",
                        "required": ["h", "w", "x", "y"],
                        "properties": {"w": {"maximum": 24}, "x": {"minimum": 0, "maximum": 23}},
                    },
                    "datasource": {"type": "object", "required": ["type", "uid"]},
                    "targets": {"type": "array", "minItems": 1, "items": {"required": ["refId", "expr"]}},
                },
            },
        },
    },
}


def queries() -> list[str]:
    """All queries of the panels and the variables."""
    panels = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    variables = [each["query"]["query"] for each in DASHBOARD["templating"]["list"] if each["type"] == "query"]
    return panels + variables


def exported(name: str, kind: Kind) -> str:
    """The name that the Collector's exporter for Prometheus makes."""
    return f"airflow_{name.replace('.', '_')}" + ("_total" if kind is Kind.COUNTER else "")


def test_grafana_can_read_it() -> None:
    """Its form, and an id for each panel."""
    jsonschema.validate(DASHBOARD, SCHEMA)
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))


def test_its_queries_name_every_metric_and_no_other() -> None:
    """A metric that is renamed would leave an empty panel."""
    named = {name for query in queries() for name in re.findall(r"airflow_\w+", query)}
    assert named == {exported(each.name, each.kind) for each in METRICS}


def test_its_queries_use_tags_that_exist() -> None:
    """As selectors, groups and legends; each variable that is used is declared."""
    variables = {each["name"] for each in DASHBOARD["templating"]["list"]} | {"__rate_interval"}  # Grafana's own
    for query in queries():
        assert set(re.findall(r"(\w+)=~", query)) <= {"labourer", "dag_id"}
        assert set(re.findall(r"by \((\w+)\)", query)) <= {"labourer", "dag_id"}
        assert set(re.findall(r"\$(\w+)", query)) <= variables
        assert query.count("(") == query.count(")")
        assert query.count("{") == query.count("}")
