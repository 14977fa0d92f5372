"""The same training by PyTorch, if it is installed: data on the device, cudnn.benchmark on, eagerly and as a CUDA graph."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.gpu.targets import BATCH, EPOCH_SAMPLES

STEPS = 200
"""That are timed, of an epoch."""


def epochs() -> dict[str, float]:
    """Return the milliseconds of an epoch of LeNet-5: "eager" and "torch_graph"; empty without PyTorch for the GPU."""
    try:
        import torch
    except ImportError:
        return {}
    if not torch.cuda.is_available():
        return {}
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    n = torch.nn
    layers = (
        *(n.Conv2d(1, 6, 5, padding=2), n.ReLU(), n.MaxPool2d(2), n.Conv2d(6, 16, 5), n.ReLU(), n.MaxPool2d(2)),
        *(n.Flatten(), n.Linear(400, 120), n.ReLU(), n.Linear(120, 84), n.ReLU(), n.Linear(84, 10)),
    )
    network = n.Sequential(*layers).cuda()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    images = torch.rand(EPOCH_SAMPLES, 1, 28, 28, device="cuda")
    labels = torch.randint(10, (EPOCH_SAMPLES,), device="cuda")
    chosen = torch.randint(EPOCH_SAMPLES, (BATCH,), device="cuda")

    def step() -> None:
        optimizer.zero_grad(set_to_none=False)
        loss = n.functional.cross_entropy(network(images[chosen]), labels[chosen])
        loss.backward()
        optimizer.step()

    per_epoch = EPOCH_SAMPLES / BATCH
    found = {"eager": _timed(torch, step) * per_epoch}
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    found["torch_graph"] = _timed(torch, graph.replay) * per_epoch
    return found


def _timed(torch: Any, step: Any) -> float:
    """Return the milliseconds of a step."""
    for _ in range(10):
        step()
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(STEPS):
        step()
    torch.cuda.synchronize()
    return (time.perf_counter() - start) / STEPS * 1e3
