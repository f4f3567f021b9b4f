"""What models, stages, inference methods and executors have in common: a name, what they need, and whether it is installed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import ClassVar, Self, TypedDict

from hpcsim.errors import PluginError

#: The last Python for which PyPI has a wheel of NEST.
LAST_NEST_WHEEL = (3, 13)


def install_command(extra: str) -> str:
    """What a user types to get an extra of hpcsim.

    Examples
    --------
    >>> install_command("neuron")
    "pip install 'hpcsim[neuron]'"
    """
    if extra == "nest" and sys.version_info[:2] > LAST_NEST_WHEEL:
        last = ".".join(map(str, LAST_NEST_WHEEL))
        return f"scripts/build-nest-mpi.sh --install, or NEST of conda-forge (the wheels of PyPI end with Python {last})"
    return f"pip install 'hpcsim[{extra}]'"


def not_installed(what: str, package: str, extra: str = "") -> str:
    """The message about a package that is missing.

    Examples
    --------
    >>> not_installed("a recording in NWB", "pynwb", "nwb")
    "a recording in NWB needs pynwb (not installed): pip install 'hpcsim[nwb]'"
    """
    return f"{what} needs {package} (not installed): {install_command(extra) if extra else f'pip install {package}'}"


class PluginFields(TypedDict, total=False):
    """What any decorator that makes a plug-in takes, by name; see :class:`Plugin`."""

    engine: str
    extra: str
    requires: tuple[str, ...]
    source: str
    description: str


@dataclass(frozen=True)
class Plugin:
    """Base of everything that a name in a study, or on the command line, leads to.

    Parameters
    ----------
    name : str
        ``room.what``, such as ``nest.hagen_lif`` or ``signals.dipole``.
    version : str
        Raised whenever equal input may give other values.
    engine : str
        The module that must be importable.
    extra : str
        The extra of hpcsim that installs it; for those of other packages, empty.
    requires : tuple of str
        Distributions whose versions are part of what made the numbers.
    source : str
        The paper.
    description : str
        One line for people.

    Attributes
    ----------
    word : str
        What to call one of its kind in messages.
    group : str
        Entry point group through which other packages add theirs.
    """

    word: ClassVar[str]
    group: ClassVar[str]

    name: str
    version: str
    engine: str = field(default="", kw_only=True)
    extra: str = field(default="", kw_only=True)
    requires: tuple[str, ...] = field(default=(), kw_only=True)
    source: str = field(default="", kw_only=True)
    description: str = field(default="", kw_only=True)

    @classmethod
    def of(cls, name: str, found: object) -> Self | None:
        """The plug-in that a name leads to; None where it is something else."""
        del name
        return found if isinstance(found, cls) else None

    @property
    def installed(self) -> bool:
        """Whether the engine can be imported (it is not imported to find out)."""
        return not self.engine or find_spec(self.engine) is not None

    def check_installed(self) -> None:
        """Look whether the engine can be imported.

        Raises
        ------
        PluginError
            If not; it names the extra.
        """
        if not self.installed:
            raise PluginError(not_installed(f'the {self.word} "{self.name}"', self.engine, self.extra))


def first_line(function: Callable[..., object]) -> str:
    """The first line of a function's docstring, which describes the plug-in that is made of it."""
    return next(iter((function.__doc__ or "").strip().splitlines()), "")
