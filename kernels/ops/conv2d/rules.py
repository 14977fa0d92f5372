"""Where one algorithm for conv2d ends and another begins."""

LANE_OUTPUTS = 8
"""Output channels in a group from which on they are the SIMD lanes in the gradient of the weights; below, columns are."""

SAMPLE_TAPS = 512
"""Terms of an output at most for samples to be the SIMD lanes: what a tile reads then stays in the first-level cache."""

LANES = 16
"""Float32 in the widest registers. The rule is the same for every processor: what runs does not depend on it."""

FILLED = 0.75
"""Of such lanes that samples must fill."""

SHORT, SHORT_BACK = 0.8, 0.9
"""What a row of outputs, or of gradients, may fill of such lanes for samples to be the lanes, where there is no stride."""
