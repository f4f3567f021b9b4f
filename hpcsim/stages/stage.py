"""What a stage is: a pure function from a point's outputs to more outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from hpcsim.models.model import Context
from hpcsim.outputs import Batch, Layout
from hpcsim.space.parameter import Parameter, Value

Options = Mapping[str, Value]


@dataclass(frozen=True)
class Stage:
    """A pure function from outputs to more outputs.

    Parameters
    ----------
    name : str
        ``room.what``, such as ``signals.dipole``.
    version : str
        Raised whenever equal inputs may give other values.
    options : tuple of Parameter
        What a study may set; checked like a model's parameters.
    declare : callable
        ``declare(options, layout) -> Layout``: the outputs that it adds, given those that are there.
        Raises ResultsError when what it needs is missing or does not fit.
    apply : callable
        ``apply(data, options, context) -> dict``: from the batches of the outputs that are there
        (leading axis = point; ragged ones are lists) to the batches of those that it adds.
        A pure function of its arguments; a point's values do not depend on the batch it is in.
    inputs : tuple of str
        Those options that name another study; their values reach `apply` as
        ``context.inputs[name]``, a :class:`hpcsim.collector.table.Table`.
    engine, extra, requires : as of a model
    prepare : callable, optional
        ``prepare(options, context)``, called once before tasks start; compiles what they share.
    """

    name: str
    version: str
    options: tuple[Parameter, ...]
    declare: Callable[[Options, Layout], Layout]
    apply: Callable[[Mapping[str, Batch], Options, Context], dict[str, Batch]]
    inputs: tuple[str, ...] = ()
    engine: str = ""
    extra: str = ""
    requires: tuple[str, ...] = ()
    prepare: Callable[[Options, Context], None] | None = None
    source: str = ""
    description: str = ""

    @property
    def installed(self) -> bool:
        """Whether the engine can be imported (it is not imported to find out)."""
        return not self.engine or find_spec(self.engine) is not None


def stage(
    name: str,
    *,
    options: Sequence[Parameter],
    declare: Callable[[Options, Layout], Layout],
    version: str = "1",
    **more: Any,
) -> Callable[[Callable[..., dict[str, Batch]]], Stage]:
    """Make a function ``apply(data, options, context)`` into a :class:`Stage`."""

    def decorate(apply: Callable[..., dict[str, Batch]]) -> Stage:
        lines = (apply.__doc__ or "").strip().splitlines()
        more.setdefault("description", lines[0] if lines else "")
        return Stage(name, version, tuple(options), declare, apply, **more)

    return decorate
