"""Limits that select the algorithm for conv2d."""

LANE_OUTPUTS = 8
"""The fewest output channels per group for them to be the SIMD lanes in the gradient of the weights; below, columns are."""

SAMPLE_TAPS = 512
"""The most terms per output for samples to be the SIMD lanes: a tile's inputs then stay in the first-level cache."""

LANES = 16
"""Float32 lanes of the widest registers. The rule is the same for every processor, so the choice does not depend on it."""

FILLED = 0.75
"""The share of these lanes that samples must fill."""

SHORT, SHORT_BACK = 0.8, 0.9
"""The share of these lanes that a row of outputs, or of gradients, may fill for samples to be the lanes, at stride 1."""

TILE_CHANNELS = 24
"""The fewest channels per group that are rows of a CUDA tile, which has 64; with fewer most of it is computed in vain."""
