"""Limits that select the algorithm for conv2d."""

LANE_OUTPUTS = 8
"""The fewest output channels per group for them to be the SIMD lanes in the gradient of the weights; below, columns are."""

LANES = 16
"""Float32 lanes of the widest registers. The rule is the same for every processor, so the choice does not depend on it."""

FILLED = 0.75
"""The share of these lanes that samples must fill, to be the lanes."""

SAMPLE_CHANNELS = 8
"""The most channels of a group for which samples then are the lanes, whatever the images: tiles of fewer rows than that
compute little on what was copied for them, which is least for samples."""

SAMPLE_TAPS = 4096
"""The most terms per output for samples to be the lanes otherwise."""

SHORT, SHORT_BACK = 0.8, 0.9
"""The share of these lanes that a row of outputs, or of gradients, may fill for samples to be the lanes, at stride 1."""

VERY_SHORT = 4
"""The longest row that every other algorithm computes slowly."""

SHORT_PLANE = 36
"""The largest plane of pointwise convolutions for samples to be the lanes; a plane is one row for them."""

CHANNEL_TERMS = 48
"""The fewest terms per output for channels to be the lanes: with fewer, transposing the sums takes too much of the time."""

CHANNEL_SHARE = 0.9
"""What share of the lanes channels must fill, as a multiple of the share that columns of outputs would fill: a step on
channels is cheaper than one on columns, whose vectors straddle the lines of the cache."""

WHOLE = 0.95
"""The share of these lanes that channels must fill, at stride 1, to be the lanes where samples might be."""

TILE_CHANNELS = 24
"""The fewest channels per group that are rows of a CUDA tile, which has 64; with fewer most of it is computed in vain."""
