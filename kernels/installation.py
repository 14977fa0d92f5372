"""The installation: commands that add packages to it, and another package that also installs a folder ``kernels/``."""

import re
import shlex
import sys
import warnings
from importlib.metadata import PackageNotFoundError, distribution, requires
from importlib.util import find_spec
from pathlib import Path

DISTRIBUTION = "kernel-workbench"

RIVAL = "kernels"
"""The package of this name in the registry is another project, with modules of its own in a folder ``kernels/``."""


class InstallationWarning(UserWarning):
    """Another package and this one share the folder ``kernels/``."""


def install_command(*packages: str, extra: str | None = None) -> str:
    """Return the command that installs packages that this project can use, in the versions that it was tested with.

    Parameters
    ----------
    packages : names among this project's requirements; none for all packages of the extra
    extra : of the requirements of this extra, such as "cuda"
    """
    return shlex.join([*_installer(), *_requirements(packages, extra)])


def _installer() -> list[str]:
    """Return the beginning of the command that installs into the environment of this interpreter."""
    if Path(sys.prefix, "pipx_metadata.json").exists():
        return ["pipx", "inject", DISTRIBUTION]
    if find_spec("pip") is None:  # an environment made by uv
        return ["uv", "pip", "install", "--python", sys.executable]
    return [sys.executable, "-m", "pip", "install"]


def _requirements(packages: tuple[str, ...], extra: str | None) -> list[str]:
    """Return this project's requirements of an extra (None: of every installation and extra), without their markers."""
    try:
        declared = requires(DISTRIBUTION) or []
    except PackageNotFoundError:  # run from its sources, not installed
        return list(packages) or [f"{Path(__file__).parents[1]}[{extra}]"]
    found: dict[str, str] = {}
    for line in declared:
        requirement, _, marker = (part.strip() for part in line.partition(";"))
        name = re.split(r"[^\w.-]", requirement)[0]
        if extra is None or re.search(rf"""extra == ["']{extra}["']""", marker):
            found.setdefault(name, requirement)
    return [found[name] for name in packages or found]


def warn_of_rival() -> None:
    """Warn if the package ``kernels`` of the registry is installed into the folder of this one."""
    try:
        rival = distribution(RIVAL)
    except PackageNotFoundError:
        return
    if Path(str(rival.locate_file("kernels"))).resolve() == Path(__file__).parent:
        text = (
            f"{RIVAL} {rival.version} was installed into the same folder kernels/ as {DISTRIBUTION}: it is broken now, and "
            f"uninstalling it breaks {DISTRIBUTION}; give {DISTRIBUTION} an environment of its own, or uninstall {RIVAL} "
            f"and then install {DISTRIBUTION} again"
        )
        warnings.warn(text, InstallationWarning, stacklevel=2)
