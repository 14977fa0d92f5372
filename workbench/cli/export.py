"""``workbench export``."""

from pathlib import Path

import click

from workbench.system.errors import InputError, VerdictAgainst
from workbench.system.files import atomic_path
from workbench.system.terminal import print_line

SUFFIX = ".onnx"


@click.command(epilog="Example: workbench export runs/lenet5-mnist-1 -o digits.onnx")
@click.argument("run_folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "-o", "--out", metavar="FILE.onnx", type=click.Path(path_type=Path), help="The file; default: DIR/model.onnx."
)
def export(run_folder: Path, out: Path | None) -> None:
    """Write a trained network as an ONNX model, for inference in other programs.

    Its input is "images", float32 (N, C, H, W) in 0..1; its outputs are "scores" and "probabilities" (N, K). Its metadata
    name the classes. The model is checked by onnx, and run by ONNX Runtime if that is installed: no score may differ from
    the exact one by more than rounding explains, else the exit code is 1 and nothing is written.
    """
    from importlib.util import find_spec

    from kernels.installation import install_command
    from workbench.checking import exported
    from workbench.network.checkpoint import load
    from workbench.system import render
    from workbench.system.progress import compile_notices

    target = out or run_folder / f"model{SUFFIX}"
    if target.suffix.lower() != SUFFIX:
        raise click.UsageError(f"{target}: the format is ONNX; name a file that ends with {SUFFIX}")
    run = load(run_folder)
    if find_spec("onnx") is None:
        raise InputError(f"export needs onnx; {install_command('onnx')}")
    from workbench.network.onnx_model import onnx_model

    with atomic_path(target) as path:
        model = onnx_model(run)
        path.write_bytes(model)
        verdict = ""
        if exported.can_run():
            with compile_notices(render.message_console()):
                share = exported.share_of_bound(run, model)
            verdict = f"largest error {share:.2g} of the rounding bound"
            if not share <= 1:
                raise VerdictAgainst(f"{target}: not written: in ONNX Runtime a score has the {verdict}")
    shape = ", ".join(map(str, run.network.input_shape))
    classes = len(run.classes)
    print_line(f"{target}: {run.parameters.flat.size:,} parameters, {len(model):,} bytes")
    print_line(f"input images (N, {shape}), float32 in 0..1")
    print_line(f"outputs scores and probabilities (N, {classes})")
    print_line("checked by onnx")
    if verdict:
        print_line(f"in ONNX Runtime, {exported.SAMPLES} random images: {verdict}")
    else:
        print_line(f"not run: needs onnxruntime; {install_command('onnxruntime')}")
