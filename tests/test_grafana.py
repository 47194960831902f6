"""Dashboard, alerts and page name metrics that a node really serves; the page names all."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import trio
from clusters import Recorder, make_config
from prometheus_client.parser import text_string_to_metric_families

from transports.node import open_node
from transports.node.metrics.collector import KERNEL
from transports.node.metrics.page import make_page

ROOT = Path(__file__).parents[1]
BOARD = ROOT / "examples/grafana/paxos.json"
ALERTS = ROOT / "examples/prometheus/alerts.yml"
PAGE = ROOT / "docs/guides/metrics.md"
NAME = re.compile(r"\b(?:paxos|process)_\w+")
WIDTH = 24


@pytest.fixture(scope="module")
def names() -> set[str]:
    """Of the samples of a real node's page, with those that only the kernel module has."""
    text = b""

    async def scrape() -> None:
        nonlocal text
        config = make_config(Path(), size=1)
        async with open_node(config, 1, Recorder(), first_start=True) as node:
            node.dropped["malformed"] += 1
            text, _ = make_page(node)()

    trio.run(scrape)
    families = text_string_to_metric_families(text.decode())
    return {s.name for family in families for s in family.samples} | {name for name, *_ in KERNEL}


@pytest.fixture(scope="module")
def board() -> Any:
    return json.loads(BOARD.read_text())


def test_each_expression_of_the_dashboard_names_metrics_that_exist(
    board: Any, names: set[str]
) -> None:
    for panel in board["panels"]:
        for target in panel["targets"]:
            used = set(NAME.findall(target["expr"]))
            assert used, panel["title"]
            assert used <= names, panel["title"]
            assert target["expr"].count("(") == target["expr"].count(")")
            assert '{job="$job"}' in target["expr"]
    for variable in board["templating"]["list"][1:]:
        assert set(NAME.findall(variable["query"]["query"])) <= names


def test_the_dashboard_is_as_grafana_wants_it(board: Any) -> None:
    assert board["schemaVersion"] >= 36
    assert re.fullmatch(r"[\w-]{1,40}", board["uid"])
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    cells: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        assert panel["type"] in ("stat", "timeseries")
        assert panel["title"]
        assert panel["description"].endswith(".")
        place = panel["gridPos"]
        covered = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in covered) < WIDTH
        assert not covered & cells, panel["title"]
        cells |= covered
        refs = [target["refId"] for target in panel["targets"]]
        assert refs == [chr(ord("A") + number) for number in range(len(refs))]
        for part in (panel, *panel["targets"]):
            assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert [one["name"] for one in board["templating"]["list"]] == ["datasource", "job"]


def test_each_alert_names_metrics_that_exist_and_stands_on_the_page(names: set[str]) -> None:
    text = ALERTS.read_text()
    alerts = re.findall(r"- alert: (\w+)\n +expr: (.+)\n", text)
    assert len(alerts) == text.count("- alert:") > 5
    page = PAGE.read_text()
    for name, expression in alerts:
        assert set(NAME.findall(expression)) <= names, name
        assert f"| `{name}` |" in page
    assert page.count("| `Paxos") == len(alerts)


def test_the_page_explains_every_metric_and_no_other(names: set[str]) -> None:
    rows = re.findall(r"^\| `((?:paxos|process)_\w+)`", PAGE.read_text(), re.MULTILINE)
    assert len(set(rows)) == len(rows)
    families = {re.sub(r"_(?:bucket|sum|count)$", "", name) for name in names}
    assert set(rows) == families
