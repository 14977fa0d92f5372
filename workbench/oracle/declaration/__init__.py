"""Checks of a declaration: its reference is checked, from the declaration alone, before any kernel is judged by it."""

from kernels.declare.op import Op
from kernels.declare.rounding import Exact
from workbench.oracle.declaration import bound_checks, consistency, mathematics, reference_checks
from workbench.oracle.declaration.checks import (
    AFFORDABLE,
    Check,
    DeclarationFinding,
    draw,
    for_all_cases,
    for_each_case,
    on_small_cases,
    only_where,
)
from workbench.system.errors import raised

__all__ = ["AFFORDABLE", "DeclarationFinding", "check_declaration"]


_STAGES: tuple[dict[str, Check], ...] = (
    {
        "names": for_all_cases(consistency.names_exist),
        "output_shapes": for_each_case(consistency.shapes_fit_outputs),
        "cost": for_each_case(consistency.costs_are_counts),
        "options": for_each_case(consistency.defaults_are_normal),
        "roundings": for_each_case(consistency.roundings_are_counts),
    },
    {"reference": for_each_case(reference_checks.reference_is_a_function)},
    {
        "roundings": for_each_case(bound_checks.bounds_fit),
        "rounding": on_small_cases(for_each_case(bound_checks.adds_absolute_values)),
        "parts": only_where(lambda op: bool(op.parts), for_each_case(reference_checks.parts_need_their_inputs_alone)),
    },
    {
        "precision": on_small_cases(for_all_cases(reference_checks.computes_in_every_precision)),
        "gradients": only_where(
            lambda op: op.backward is not None, on_small_cases(for_each_case(mathematics.gradients_are_differences))
        ),
        "linear_in": only_where(lambda op: bool(op.linear_in), for_each_case(mathematics.is_linear)),
        "adjoint": only_where(lambda op: bool(mathematics.differentiated(op)), for_each_case(mathematics.is_adjoint)),
        "shift": only_where(mathematics.slides, for_each_case(mathematics.moves_with_its_input)),
        "bound": for_each_case(bound_checks.stays_within_its_bound),
        "vacuous": only_where(
            lambda op: not isinstance(op.rounding, Exact), for_all_cases(bound_checks.bounds_exclude_half_precision)
        ),
    },
)


def check_declaration(op: Op, *, examples: int = 25, seed: int = 0) -> tuple[DeclarationFinding, ...]:
    """Check what an operation declares against what its reference does.

    The checks are in groups, each run only if the groups before found nothing: the declaration itself; the reference as a
    function in the calling convention; its mathematics: gradients, linearity, shifts, rounding. Gradients follow a naming
    convention: the backward operation's inputs are found among ``dy`` (the gradient of the first output; 1 if it is
    absent), the forward's inputs and its outputs; an output ``dx`` is the gradient with respect to ``x``.

    Parameters
    ----------
    op : the operation; it and its backward operation must be in ``kernels.OPS``
    examples : the number of cases to generate
    seed : the same seed generates the same cases

    Returns
    -------
    tuple of DeclarationFinding
        Every property that does not hold, with the smallest generated case that shows it; empty if all hold.
    """
    try:
        drawn = draw(op, examples, seed)
    except Exception as error:
        return (DeclarationFinding(what="cases", reason=f"no case can be generated: {raised(error)}"),)
    for checks in _STAGES:
        found = tuple(finding for what, check in checks.items() if (finding := check(what, op, drawn)) is not None)
        if found:
            return found
    return ()
