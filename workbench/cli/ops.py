"""``workbench ops``."""

import click

from workbench.cli.common import json_option
from workbench.system.terminal import print_text


@click.command(epilog="Examples: workbench ops;  workbench ops conv2d")
@click.argument("names", metavar="[OP]...", nargs=-1)
@click.option("--markdown", is_flag=True, help="Print the table as Markdown, as in docs/operations.md.")
@json_option
def ops(names: tuple[str, ...], markdown: bool, json_target: str | None) -> None:
    """List the operations, their options, devices and algorithms; of operations that are named, also the timed cases."""
    from workbench.cli import listing
    from workbench.system import render
    from workbench.target.resolve import known_operation

    rows = listing.rows([known_operation(name) for name in names])
    if json_target == "-":
        pass  # standard output is for the JSON alone
    elif markdown:
        print_text(render.markdown_table(listing.COLUMNS, rows))
    else:
        render.print_table(listing.COLUMNS, rows)
        if names:
            from workbench.benching import case_list

            print_text("")
            listed = case_list.lines(case for name in names for case in case_list.unbatched(name))
            render.print_table(case_list.COLUMNS, listed, right=case_list.COLUMNS[4:])
    if json_target:
        records = [dict(zip(listing.COLUMNS, row, strict=True)) for row in rows]
        render.write_json({"schema": 1, "operations": records}, json_target)
