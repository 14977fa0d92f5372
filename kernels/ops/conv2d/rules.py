"""Where one algorithm for conv2d ends and another begins."""

LANE_OUTPUTS = 8
"""Output channels in a group from which on they are the SIMD lanes in the gradient of the weights; below, columns are."""
