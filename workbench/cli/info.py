"""``workbench info``."""

import click

from workbench.cli.common import json_option
from workbench.system.terminal import print_line


@click.command(epilog="Example: workbench info")
@json_option
def info(json_target: str | None) -> None:
    """Show the processor, SIMD features, threads, GPU and versions."""
    from workbench.system import machine, render

    facts = {
        **machine.summary(),
        "simd": machine.simd_features(),
        "threading_layer": machine.threading_layer(),
        "gpu": machine.gpu_report(),
        "versions": machine.versions(),
    }
    if json_target != "-":
        rows = [
            ("CPU", facts["cpu"]),
            ("cores", f"{facts['cores']} usable, {facts['threads']} Numba threads"),
            ("target", facts["target"]),
            ("SIMD", " ".join(facts["simd"]) or "none that Numba knows"),
            ("threading layer", facts["threading_layer"]),
            ("GPU", facts["gpu"]),
            ("platform", facts["platform"]),
            *((name, number) for name, number in facts["versions"].items()),
        ]
        width = max(len(name) for name, _ in rows)
        for name, value in rows:
            print_line(f"{name:<{width}}  {value}")
    render.write_json({"schema": 1, **facts}, json_target)
