"""``workbench ops``."""

import click

from workbench.cli.common import json_option
from workbench.system.terminal import print_text


@click.command(epilog="Example: workbench ops --markdown")
@click.option("--markdown", is_flag=True, help="Print the table as Markdown, as in docs/operations.md.")
@json_option
def ops(markdown: bool, json_target: str | None) -> None:
    """List the operations, their options, devices and algorithms."""
    from workbench.cli import listing
    from workbench.system import render

    rows = listing.rows()
    if json_target == "-":
        pass  # standard output is for the JSON alone
    elif markdown:
        print_text(render.markdown_table(listing.COLUMNS, rows))
    else:
        render.print_table(listing.COLUMNS, rows)
    if json_target:
        records = [dict(zip(listing.COLUMNS, row, strict=True)) for row in rows]
        render.write_json({"schema": 1, "operations": records}, json_target)
