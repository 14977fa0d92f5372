"""Operations that a user's file declares: a process of its own imports the file and judges by what it declares."""

from kernels import Op
from workbench.checking.check_request import CheckRequest
from workbench.checking.results import CheckResult
from workbench.oracle.declaration import check_declaration
from workbench.target.command_device import CommandDevice

DECLARATION_EXAMPLES = 30


def declarations(request: CheckRequest, device: CommandDevice) -> list[tuple[str, CheckResult]]:
    """Check the operations that the request's files declare, which are imported; return (target, result)."""
    found = []
    for target in request.targets:
        loaded = target.load(device.kind)
        named = {kernel.op.name for kernel in loaded.kernels} if loaded.named else {op.name for op in loaded.ops}
        found += [(target.text, _declaration(op, device)) for op in loaded.ops if op.name in named]
    return found


def _declaration(op: Op, device: CommandDevice) -> CheckResult:
    findings = check_declaration(op, examples=DECLARATION_EXAMPLES)
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    return CheckResult(
        op=op.name,
        implementation="declaration",
        device=device.name,
        dtype="float64",
        status="fail" if findings else "pass",
        examples=DECLARATION_EXAMPLES,
        reason=f"{findings[0].what}: {findings[0].reason}{more}" if findings else "",
    )
