"""The options of a stage, an inference method or a sampler, from what a user gave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hpcsim.errors import Problem, SpaceError, UnitError, nearest
from hpcsim.space.parameter import Parameter


def complete_options(
    name: str, options: Iterable[Parameter], given: Mapping[str, Any], *, tables: Iterable[str] = (), key: str = ""
) -> tuple[dict[str, Any], list[Problem]]:
    """The given options, checked, and the defaults of all others.

    Parameters
    ----------
    name : str
        Whose options they are, for messages.
    options : iterable of Parameter
    given : mapping
    tables : iterable of str
        Options that are a mapping (a table in TOML) or None; they have no :class:`Parameter`.
    key : str
        Where they stand, such as ``stages[0]``.

    Returns
    -------
    dict of str to value, and list of Problem
        Every mistake; options with a mistake have their default.

    Examples
    --------
    >>> complete_options("my.stage", [Parameter("width", 2.0, "ms")], {"width": "3 ms"})
    ({'width': 3.0}, [])
    >>> complete_options("my.stage", [Parameter("width", 2.0, "ms")], {"widht": 3}, key="stages[0]")[1]
    [Problem(key='stages[0].widht', message='my.stage has no such option', hint='did you mean "width"?')]
    """
    known = {option.name: option for option in options}
    complete: dict[str, Any] = {option: known[option].default for option in known} | dict.fromkeys(tables)
    problems = []
    for option, value in given.items():
        where = f"{key}.{option}".removeprefix(".")
        if option not in complete:
            problems.append(Problem(where, f"{name} has no such option", nearest(option, complete)))
        elif option in known:
            try:
                complete[option] = known[option].resolve(value)
            except (SpaceError, UnitError) as error:
                problems.append(Problem(where, str(error)))
        elif value is None or isinstance(value, Mapping):
            complete[option] = value
        else:
            problems.append(Problem(where, f"found {value!r}, expected a table"))
    return complete, problems
