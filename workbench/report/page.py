"""The report of a benchmark as one self-contained HTML page: no network, no other file."""

import re
from collections import Counter
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from workbench.benching.rows import NOT_TIMED
from workbench.report import result_tables
from workbench.report.distributions import distributions
from workbench.report.machine_limits import limits, noise
from workbench.report.markup import Markup, element, join
from workbench.report.sortable_table import Row
from workbench.report.theme import variables
from workbench.report.verdicts import tag, with_baselines
from workbench.system.files import atomic_path
from workbench.system.numbers import moment, plural, shortest


def write_html(document: dict[str, Any], path: Path) -> None:
    """Write the report of a finished benchmark.

    Parameters
    ----------
    document : the output of ``workbench bench --json``, schema 1; any number in a row may be None
    path : the file; it is replaced atomically

    Raises
    ------
    InputError
        The folder is missing or cannot be written.
    """
    with atomic_path(path) as file:
        file.write_text(page(document), encoding="utf-8")


def page(document: dict[str, Any]) -> str:
    """Return the report as HTML; everything from the document is escaped."""
    folder = files("workbench.report")
    rows = with_baselines(document["rows"])
    confidence = float(document.get("confidence") or 0.99)
    return Template(folder.joinpath("page.html").read_text(encoding="utf-8")).substitute(
        title=element("title", f"Benchmark: {_about(rows)}"),
        style=variables() + folder.joinpath("page.css").read_text(encoding="utf-8"),
        script=folder.joinpath("page.js").read_text(encoding="utf-8"),
        header=_header(document, rows),
        main=join(
            _section("Measurement", noise(document.get("controls") or [], confidence), _skipped(document)),
            _comparison(document.get("compared"), confidence),
            _section("Limits of this machine", limits(document.get("peaks") or {}, rows)),
            _section("Results", result_tables.not_timed(rows), *_operations(rows, confidence)),
            _costs(rows),
            _section("How to read this", _legend(confidence)),
        ),
    )


def _about(rows: Sequence[Row]) -> str:
    names = list(dict.fromkeys(row["op"] for row in rows))
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "") if names else "no rows"


def _header(document: dict[str, Any], rows: Sequence[Row]) -> Markup:
    return join(
        element("h1", "Kernel benchmark"),
        element("pre", element("code", document.get("command") or "workbench bench"), class_="command", tabindex="0"),
        element("dl", *_facts(document), class_="facts"),
        element("p", *_summary(rows), class_="summary") if rows else None,
    )


def _facts(document: dict[str, Any]) -> list[Markup]:
    machine = document.get("machine") or {}
    threads = [plural(machine[key], key[:-1]) for key in ("threads", "cores") if machine.get(key)]
    versions = ", ".join(f"{name} {version}" for name, version in (machine.get("versions") or {}).items())
    gpu = machine.get("gpu")
    facts = {
        "Processor": machine.get("cpu"),
        "Threads": " on ".join(threads),
        "Code for": machine.get("target"),
        "GPU": ", ".join(f"{value}" for value in gpu.values() if value) if isinstance(gpu, dict) else gpu or "none",
        "System": machine.get("platform"),
        "Measured": moment(document["when"]) if document.get("when") else None,
        "Versions": versions,
    }
    return [element("div", element("dt", name), element("dd", str(value))) for name, value in facts.items() if value]


def _summary(rows: Sequence[Row]) -> list[Markup]:
    """Count the rows by verdict."""
    counts = Counter(row["verdict"] for row in rows if row["verdict"])
    known = [name for name in (*NOT_TIMED, "slower", "faster", "tie", "unsure") if counts[name]]
    cases = plural(len({(row["op"], row["case"]) for row in rows}), "case")
    ops = plural(len({row["op"] for row in rows}), "operation")
    tags = [join(" ", element("span", f"{counts[name]} ", tag(name), class_="count")) for name in known]
    return [join(f"{plural(len(rows), 'row')}, {cases} of {ops}."), *tags]


def _section(title: str, *contents: Markup | None) -> Markup:
    return element("section", element("h2", title), *contents)


def _skipped(document: dict[str, Any]) -> Markup | None:
    skipped = document.get("skipped") or {}
    lines = [element("p", element("strong", f"{name} skipped:"), f" {reason}") for name, reason in skipped.items()]
    return join(*lines) if lines else None


def _comparison(compared: Sequence[Row] | None, confidence: float) -> Markup | None:
    if compared is None:
        return None
    if not compared:
        return _section("Compared with the earlier run", element("p", "The two runs have no row in common."))
    counts = Counter(row["verdict"] for row in compared)
    counted = [
        join(" ", element("span", f"{count} ", tag(verdict), class_="count")) for verdict, count in counts.items()
    ]
    return _section(
        "Compared with the earlier run",
        element("p", plural(len(compared), "row"), " in both:", *counted),
        result_tables.comparison(compared, confidence),
    )


def _operations(rows: Sequence[Row], confidence: float) -> list[Markup]:
    names = list(dict.fromkeys(row["op"] for row in rows))
    if not names:
        return [element("p", "Nothing was measured: the run has no rows.")]
    links = [element("a", name, href=f"#{_anchor(name)}") for name in names]
    index = element("nav", *links, aria_label="Operations") if len(names) > 2 else None
    parts = [] if index is None else [index]
    for name in names:
        here = [row for row in rows if row["op"] == name]
        heading = element("h3", element("code", name), id=_anchor(name))
        parts += [part for part in (heading, _baseline(here), result_tables.results(name, here, confidence)) if part]
        parts += [part for part in (distributions(here),) if part]
    return parts


def _baseline(rows: Sequence[Row]) -> Markup | None:
    names = list(dict.fromkeys(row["baseline"] for row in rows if row.get("baseline")))
    if not names:
        return None
    shown = join(*(element("code", name) for name in names), between=", ")
    return element("p", "Ratios are times divided by that of ", shown, " in the same case.", class_="note")


def _costs(rows: Sequence[Row]) -> Markup | None:
    if not any(row.get(key) is not None for row in rows for key in result_tables.COSTS):
        return None
    return _section("What a call costs", result_tables.costs(rows))


def _anchor(name: str) -> str:
    return "op-" + re.sub(r"[^A-Za-z0-9_-]", "-", name)


def _legend(confidence: float) -> Markup:
    terms = {
        "Median": "of all repeats, hot: data and code are in the caches as the last call left them; "
        "every result was verified before it was timed.",
        f"± at {shortest(confidence)}": "the confidence interval of the median, its larger side as a share of the median.",
        "Of the limit": "the least time that the measured limits allow, divided by the median, and the limit that binds: "
        "compute, memory or launch. Above 100% the measurement of the limit was disturbed: invalid.",
        "tie": "within 5% of the baseline, and no difference beyond the noise floor.",
        "unsure": "the interval cannot distinguish a tie from a difference: measure longer.",
        "Distributions": "one dot per sample in measurement order, from top to bottom: drift slants, and two modes "
        "form two columns; the line is the median, the band its interval. The rows of a case share one logarithmic scale.",
    }
    return element(
        "dl",
        *(element("div", element("dt", term), element("dd", text)) for term, text in terms.items()),
        class_="terms",
    )
