"""Accessibility by axe: the violations that keep somebody from reading a page."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

_IMPACTS = {"serious", "critical"}


def violations(page: Page, *rules: str) -> list[str]:
    """Return serious and critical violations, one line each, by all rules or by some."""
    only = {"runOnly": {"type": "rule", "values": list(rules)}} if rules else {}
    # Preloading asks for the style sheets again, which a page of a file may not.
    options = {"resultTypes": ["violations"], "preload": False, **only}
    found = Axe().run(page, options=options)
    return [
        f"{one['id']} ({one['impact']}), {len(one['nodes'])} times: {_first(one['nodes'])}"
        for one in found.response["violations"]
        if one["impact"] in _IMPACTS
    ]


def _first(nodes: list[dict]) -> str:
    told = " ".join((nodes[0].get("failureSummary") or "").split())
    return f"{nodes[0]['target']} {nodes[0]['html'][:160]} {told[:240]}"
