"""The networks that the fused step is checked on."""

import numpy as np

from kernels.fused import program
from workbench.network.executor.one_sample import plan_single
from workbench.network.executor.program import plan
from workbench.network.spec import build
from workbench.selftest.drawn_networks import CLASSES, draw_network


def test_networks_have_every_instruction():
    found = set()
    for number in range(100):
        network = build(*draw_network(np.random.default_rng((0, number))), CLASSES)
        assert network.shapes[-1] == (CLASSES,)
        for made in filter(None, (plan(network), plan(network, training=False), plan_single(network))):
            found |= {*made.program.forward["op"].tolist(), *made.program.backward["op"].tolist()}
    assert found == {value for name, value in vars(program).items() if name.isupper() and isinstance(value, int)}
