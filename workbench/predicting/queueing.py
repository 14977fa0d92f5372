"""Throughput of a closed queueing network: so many customers go round between servers and a delay.

Customers are what a multiprocessor holds at a time, blocks or warps; a server is a resource that they wait for; the delay is
the latency that each spends by itself. Exact mean value analysis: M. Reiser and S. S. Lavenberg, "Mean-Value Analysis of
Closed Multichain Queuing Networks", Journal of the ACM 27 (1980).
"""

from __future__ import annotations

from collections.abc import Sequence


def cycle_time(customers: int, demands: Sequence[float], delay: float) -> float:
    """Return the mean time between two departures.

    Parameters
    ----------
    customers : how many there are, 1 or more
    demands : what each customer needs of every server in a round
    delay : what each spends in a round besides, with no other in its way
    """
    lengths = [0.0] * len(demands)
    between = 0.0
    for count in range(1, customers + 1):
        waits = [demand * (1 + length) for demand, length in zip(demands, lengths, strict=True)]
        between = (sum(waits) + delay) / count
        lengths = [wait / between if between else 0.0 for wait in waits]
    return between


def least_cycle_time(customers: int, demands: Sequence[float], delay: float) -> float:
    """Return what the time between two departures is at least: a server never rests, or all time is latency.

    A customer may use several servers at a time, and during its latency: a block is many warps.
    """
    return max([delay / customers, *demands])


def most_cycle_time(customers: int, demands: Sequence[float], delay: float) -> float:
    """Return what the time between two departures is at most: every customer waits for all others at every server."""
    return sum(demands) + delay / customers
