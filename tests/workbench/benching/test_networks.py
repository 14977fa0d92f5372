"""Networks as contestants on a CUDA device, in the simulator: every executor enters, and computes what float64 does."""

from dataclasses import replace

import pytest

from workbench.benching.networks import network_case, network_entrants

pytestmark = [pytest.mark.usefixtures("in_the_simulator"), pytest.mark.long]


def test_a_call_on_a_device_trains_for_several_steps():
    case = network_case("lenet-train", 64, "cuda")
    assert (case.name, case.steps) == ("lenet-train-b64x32", 32)
    assert case.flops == 32 * network_case("lenet-train", 64, "cpu").flops


@pytest.mark.parametrize("kind", ["train", "infer"])
def test_every_executor_of_a_device_enters(kind):
    case = network_case(f"lenet-{kind}", 2, "cuda")
    entered, absent = network_entrants(replace(case, steps=min(case.steps, 2)), "", 1, "cuda")
    assert [(entrant.name, fault) for entrant, fault in entered] == [
        (f"workbench {name}", "") for name in ("ops", "graph", "persistent")
    ]
    assert not absent
    for entrant, _ in entered:
        entrant.call()
