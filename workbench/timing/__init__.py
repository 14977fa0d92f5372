"""How long does it take? Contestants timed in turn, medians and ratios with intervals, verdicts that can be trusted."""
