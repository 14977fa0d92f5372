"""The results of a check as JUnit XML, which continuous integration reads."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from workbench.system.files import atomic_path
from workbench.system.terminal import visible


def write_junit(path: Path, rows: Sequence[dict[str, Any]], reports: Sequence[str]) -> None:
    """Write a test suite with a test for every result.

    Parameters
    ----------
    path : the file
    rows : the results as JSON objects
    reports : for every result the report of its failure, empty if it did not fail
    """
    status = [row["status"] for row in rows]
    suite = ElementTree.Element(
        "testsuite",
        name="workbench check",
        tests=str(len(rows)),
        failures=str(status.count("fail")),
        errors="0",
        skipped=str(status.count("skipped")),
    )
    for row, report in zip(rows, reports, strict=True):
        name = f"{row['implementation']} {row['dtype']} on {row['device']}"
        test = ElementTree.SubElement(suite, "testcase", classname=f"workbench.{row['op']}", name=visible(name))
        if row["status"] == "fail":
            ElementTree.SubElement(test, "failure", message=visible(row["reason"])).text = _shown(report)
        elif row["status"] == "skipped":
            ElementTree.SubElement(test, "skipped", message=visible(row["reason"]))
        elif row["reason"] or row["notes"]:
            told = [each for each in (row["reason"], *row["notes"]) if each]
            ElementTree.SubElement(test, "system-out").text = _shown("\n".join(told))
    tree = ElementTree.ElementTree(suite)
    ElementTree.indent(tree)
    with atomic_path(path) as temporary:
        tree.write(temporary, encoding="utf-8", xml_declaration=True)


def _shown(text: str) -> str:
    """Return a text of several lines with what XML cannot hold written out."""
    return "\n".join(visible(line) for line in text.splitlines())
