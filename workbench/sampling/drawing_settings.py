"""The settings of Hypothesis wherever it draws cases: no database, no deadline, no health checks."""

from hypothesis import HealthCheck, Phase, settings


def drawing(examples: int, *, shrinks: bool = False) -> settings:
    """Return the settings for a number of examples; ``shrinks`` says whether a failing one is made smaller."""
    return settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink) if shrinks else (Phase.generate,),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
