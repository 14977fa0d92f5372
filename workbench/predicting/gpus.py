"""The figures of GPUs from which times are predicted, each with its public source.

Processors, clock, memory and cache size: NVIDIA's architecture whitepapers (Turing, GA100, GA102, Ada, H100) and data
sheets. The clock is the highest that NVIDIA states ("boost"), which a GPU holds if power and temperature allow.

Lanes: CUDA C++ Programming Guide, "Throughput of Native Arithmetic Instructions", results per clock and multiprocessor.
Tensor cores: the whitepapers; those of GeForce have half the rate with sums in float32.

Latencies and cache bandwidth: measured by others,

- gpu-benches (github.com/te42kyfo/gpu-benches), result files of A40, A100, H100, H200 and L40: latency of L1 and L2 from
  ``gpu-latency`` and ``cuda-latency``; lanes of loads and stores, and the banks of L1, from ``gpu-cache`` and
  ``gpu-strides``; bandwidth of L2 from ``gpu-l2-cache`` and ``gpu-cache``; latency of memory from ``gpu-stream``: the bytes
  that one warp on every multiprocessor has in flight, divided by the bandwidth that it gets;
- W. Luo et al., "Benchmarking and Dissecting the Nvidia Hopper GPU Architecture via Microbenchmarking" (arXiv 2402.13499):
  latency of shared memory on 8.0, 8.9 and 9.0; latency of ``mma.sync``, and the share of Hopper's tensor cores that it
  reaches; the share of the memory's bandwidth that can be had, 0.90 to 0.93; the files of ``gpu-stream`` have 0.88 to 0.98,
  that of ``gpu-l2-cache`` for H200 0.81;
- Z. Jia et al., "Dissecting the NVidia Turing T4 GPU via Microbenchmarking" (arXiv 1903.07486): T4.

GPUs of the same architecture have the same figures per multiprocessor and clock; the memory's latency is the same time.
"""

from __future__ import annotations

from dataclasses import dataclass

from workbench.system.compute_capability import ComputeCapability
from workbench.system.errors import InputError, shortened

KIB, MIB = 1 << 10, 1 << 20


@dataclass(frozen=True, kw_only=True)
class Processor:
    """One multiprocessor of a compute capability; rates are per clock.

    Attributes
    ----------
    float32, int32, float64, special : lanes of multiply-adds in float32, of integer operations, of float64, and of special
        functions and conversions
    tensor : multiply-adds of float16 or bfloat16 factors with sums in float32, on tensor cores; tf32 has half of them
    access_lanes : lanes of loads and stores whose addresses are processed
    shared_cycles, l1_cycles, l2_cycles : latency of a load from shared memory and from the caches
    l1_bytes : of the first-level cache and shared memory together
    """

    float32: int
    int32: int
    float64: int
    special: int
    tensor: int
    access_lanes: int
    shared_cycles: float
    l1_cycles: float
    l2_cycles: float
    l1_bytes: int


PROCESSORS: dict[ComputeCapability, Processor] = {
    (7, 5): Processor(
        float32=64,
        int32=64,
        float64=2,
        special=16,
        tensor=512,
        access_lanes=16,
        shared_cycles=19,
        l1_cycles=32,
        l2_cycles=188,
        l1_bytes=96 * KIB,
    ),
    (8, 0): Processor(
        float32=64,
        int32=64,
        float64=32,
        special=16,
        tensor=1024,
        access_lanes=32,
        shared_cycles=29,
        l1_cycles=36,
        l2_cycles=213,
        l1_bytes=192 * KIB,
    ),
    (8, 6): Processor(
        float32=128,
        int32=64,
        float64=2,
        special=16,
        tensor=512,
        access_lanes=16,
        shared_cycles=29,
        l1_cycles=36,
        l2_cycles=213,
        l1_bytes=128 * KIB,
    ),
    (8, 9): Processor(
        float32=128,
        int32=64,
        float64=2,
        special=16,
        tensor=512,
        access_lanes=16,
        shared_cycles=30,
        l1_cycles=36,
        l2_cycles=277,
        l1_bytes=128 * KIB,
    ),
    (9, 0): Processor(
        float32=128,
        int32=64,
        float64=64,
        special=16,
        tensor=2048,
        access_lanes=32,
        shared_cycles=29,
        l1_cycles=34,
        l2_cycles=266,
        l1_bytes=256 * KIB,
    ),
}


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One GPU.

    Attributes
    ----------
    key, name : as on the command line, and in full
    device : what the driver's name of it ends with
    cc : its compute capability
    processors : the number of multiprocessors
    ghz : the clock
    memory_gbps : bandwidth of its memory, GB/s, as stated
    memory_share : the share of it that can be had
    mma_share : the share of the tensor cores' rate that ``mma.sync`` has, with sums in float32
    memory_ns : latency of a load from memory, ns
    l2_bytes, l2_gbps : size and bandwidth of the second-level cache
    """

    key: str
    name: str
    device: str
    cc: ComputeCapability
    processors: int
    ghz: float
    memory_gbps: float
    memory_ns: float
    l2_bytes: int
    l2_gbps: float
    memory_share: float = 0.92
    mma_share: float = 1.0

    @property
    def processor(self) -> Processor:
        """Its multiprocessors."""
        return PROCESSORS[self.cc]

    @property
    def float32_gflops(self) -> float:
        """The most multiply-adds in float32, GFLOP/s."""
        return 2 * self.processor.float32 * self.processors * self.ghz

    @property
    def tensor_gflops(self) -> float:
        """The most multiply-adds of bfloat16 factors on tensor cores, GFLOP/s, by whatever instructions reach it."""
        return 2 * self.processor.tensor * self.processors * self.ghz


_ALL = (
    Gpu(
        key="h100",
        name="H100 SXM",
        device="H100 80GB HBM3",
        cc=(9, 0),
        processors=132,
        ghz=1.98,
        memory_gbps=3352,
        memory_ns=275,
        l2_bytes=50 * MIB,
        l2_gbps=9700,
        mma_share=0.63,
    ),
    Gpu(
        key="h200",
        name="H200 SXM",
        device="H200",
        cc=(9, 0),
        processors=132,
        ghz=1.98,
        memory_gbps=4800,
        memory_ns=275,
        memory_share=0.81,
        l2_bytes=50 * MIB,
        l2_gbps=9700,
        mma_share=0.63,
    ),
    Gpu(
        key="a100",
        name="A100 SXM 80 GB",
        device="A100-SXM4-80GB",
        cc=(8, 0),
        processors=108,
        ghz=1.41,
        memory_gbps=2039,
        memory_ns=341,
        l2_bytes=40 * MIB,
        l2_gbps=5400,
    ),
    Gpu(
        key="rtx4090",
        name="GeForce RTX 4090",
        device="GeForce RTX 4090",
        cc=(8, 9),
        processors=128,
        ghz=2.52,
        memory_gbps=1008,
        memory_ns=223,
        l2_bytes=72 * MIB,
        l2_gbps=5200,
        mma_share=0.5,
    ),
    Gpu(
        key="l4",
        name="L4",
        device="NVIDIA L4",
        cc=(8, 9),
        processors=58,
        ghz=2.04,
        memory_gbps=300,
        memory_ns=223,
        l2_bytes=48 * MIB,
        l2_gbps=1900,
    ),
    Gpu(
        key="a6000",
        name="RTX A6000",
        device="RTX A6000",
        cc=(8, 6),
        processors=84,
        ghz=1.8,
        memory_gbps=768,
        memory_ns=262,
        l2_bytes=6 * MIB,
        l2_gbps=2500,
    ),
    Gpu(
        key="rtx3090",
        name="GeForce RTX 3090",
        device="GeForce RTX 3090",
        cc=(8, 6),
        processors=82,
        ghz=1.695,
        memory_gbps=936,
        memory_ns=262,
        l2_bytes=6 * MIB,
        l2_gbps=2310,
        mma_share=0.5,
    ),
    Gpu(
        key="t4",
        name="T4",
        device="Tesla T4",
        cc=(7, 5),
        processors=40,
        ghz=1.59,
        memory_gbps=320,
        memory_ns=273,
        l2_bytes=4 * MIB,
        l2_gbps=1270,
    ),
)

GPUS: dict[str, Gpu] = {each.key: each for each in _ALL}
"""The GPUs that times can be predicted for."""


def find_gpu(text: str) -> Gpu:
    """Return a GPU by its key.

    Raises
    ------
    InputError
        There is none of this name.
    """
    found = GPUS.get(text.strip().lower())
    if found is None:
        raise InputError(f"--gpu {shortened(text)}: no figures of this GPU are known; must be one of {', '.join(GPUS)}")
    return found


def gpu_of_device(name: str) -> Gpu | None:
    """Return the GPU that the driver calls so; None if its figures are not known."""
    return next((each for each in GPUS.values() if name.endswith(each.device)), None)
