"""What a stage is: a pure function from a point's outputs to more outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Unpack

from hpcsim.models.model import Context
from hpcsim.outputs import Batch, Layout
from hpcsim.plugin import Plugin, PluginFields, first_line
from hpcsim.space.parameter import Parameter, Value

Options = Mapping[str, Value]


@dataclass(frozen=True)
class Stage(Plugin):
    """A pure function from outputs to more outputs.

    Parameters
    ----------
    name, version : str
        As of every :class:`~hpcsim.plugin.Plugin`, like `engine`, `extra`, `requires`, `source` and `description`.
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
        ``context.inputs[name]``, a :class:`hpcsim.collector.format.table.Table`.
    prepare : callable, optional
        ``prepare(options, context)``, called once before tasks start; compiles what they share.
    files : tuple of str
        As of a model.
    """

    word: ClassVar[str] = "stage"
    group: ClassVar[str] = "hpcsim.stages"

    options: tuple[Parameter, ...]
    declare: Callable[[Options, Layout], Layout]
    apply: Callable[[Mapping[str, Batch], Options, Context], dict[str, Batch]]
    inputs: tuple[str, ...] = ()
    prepare: Callable[[Options, Context], None] | None = None
    files: tuple[str, ...] = ()


class StageFields(PluginFields, total=False):
    """Fields of a :class:`Stage` that its decorator takes by name."""

    inputs: tuple[str, ...]
    prepare: Callable[[Options, Context], None] | None
    files: tuple[str, ...]


def stage(
    name: str,
    *,
    options: Sequence[Parameter],
    declare: Callable[[Options, Layout], Layout],
    version: str = "1",
    **more: Unpack[StageFields],
) -> Callable[[Callable[..., dict[str, Batch]]], Stage]:
    """Make a function ``apply(data, options, context)`` into a :class:`Stage`."""

    def decorate(apply: Callable[..., dict[str, Batch]]) -> Stage:
        more.setdefault("description", first_line(apply))
        return Stage(name, version, tuple(options), declare, apply, **more)

    return decorate
