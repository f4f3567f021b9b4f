"""What an inference method is: from results to a finding; and the methods that there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

from hpcsim.errors import HpcsimError, InferenceError, Problem, StudyError
from hpcsim.inference.finding import Finding
from hpcsim.inference.inputs import Options, ResultsLike, Simulate
from hpcsim.plugin import Plugin, PluginFields, first_line
from hpcsim.registry import Registry
from hpcsim.space.options import complete_options
from hpcsim.space.parameter import Parameter

if TYPE_CHECKING:
    from hpcsim.inference.planned import Planned

_BUILT_IN = {
    "inference.npe": "hpcsim.inference.npe.npe:npe",
    "inference.nsga2": "hpcsim.inference.search.nsga2:nsga2",
    "inference.reduced_rank": "hpcsim.inference.reduced_rank.reduced_rank:reduced_rank",
    "inference.rescore": "hpcsim.inference.rescore.rescore:rescore",
    "inference.regression": "hpcsim.inference.regression.regression:regression",
}


def installed(names: Sequence[str]) -> dict[str, str]:
    """Versions of those of the distributions that are installed."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def one_line(error: BaseException) -> str:
    """What an exception says, with its kind, on one line of bounded length."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}{'...' if len(text) > 300 else ''}".removesuffix(": ")


@dataclass(frozen=True)
class Method(Plugin):
    """A way to infer parameters from results.

    Parameters
    ----------
    name, version : str
        As of every :class:`~hpcsim.plugin.Plugin`, like `engine`, `extra`, `requires`, `source` and `description`.
    options : tuple of Parameter
        What a user may set; checked like a model's parameters.
    run : callable
        ``run(results, options, directory, seed) -> Finding``; writes its files into the directory.
    check : callable, optional
        ``check(options, planned) -> problems``, called before anything is simulated; see
        :class:`~hpcsim.inference.planned.Planned`.
    simulates : bool
        Whether `run` takes one more argument, by the name ``simulate``: a :class:`Simulate`, or None.
    tables : tuple of str
        Options that are a mapping (a table in TOML) or None; they have no :class:`Parameter`.
    """

    word: ClassVar[str] = "inference method"
    group: ClassVar[str] = "hpcsim.inference"

    options: tuple[Parameter, ...]
    run: Callable[..., Finding]
    tables: tuple[str, ...] = ()
    check: Callable[[Options, Planned], Iterable[Problem]] | None = None
    simulates: bool = False

    def complete(self, options: Options) -> dict[str, Any]:
        """The given options, checked, and the defaults of all others.

        Raises
        ------
        StudyError
            If an option does not exist or has a wrong value; all such are named at once.
        """
        complete, problems = complete_options(self.name, self.options, options, tables=self.tables)
        if problems:
            raise StudyError(problems, self.name)
        return complete

    def __call__(
        self, results: ResultsLike, directory: str | Path, *, seed: int = 0, simulate: Simulate | None = None, **options: Any
    ) -> Finding:
        """Run the method, and save its finding in the directory.

        Parameters
        ----------
        results : ResultsLike
        directory : path
            Made when it is not there.
        seed : int
            Everything random follows from it.
        simulate : callable, optional
            For methods that simulate; without it they leave that out.
        **options
            See `options` and `tables`.

        Raises
        ------
        PluginError
            If the engine is not installed.
        StudyError
            If an option does not exist.
        ResultsError
            If the results do not hold what the method needs.
        InferenceError
            If a library fails.
        """
        self.check_installed()
        complete = self.complete(options)
        folder = Path(directory)
        folder.mkdir(parents=True, exist_ok=True)
        more = {"simulate": simulate} if self.simulates else {}
        try:
            finding = self.run(results, complete, folder, seed, **more)
        except HpcsimError:
            raise
        except Exception as error:
            # a library's own complaint, about data that it cannot take: one line, as of every other error
            raise InferenceError(f"{self.name}: {one_line(error)}; `hpcsim --debug infer` shows where") from error
        finding.save(folder)
        return finding


class MethodFields(PluginFields, total=False):
    """Fields of a :class:`Method` that its decorator takes by name."""

    tables: tuple[str, ...]
    check: Callable[[Options, Planned], Iterable[Problem]] | None
    simulates: bool


def method(
    name: str, *, options: Sequence[Parameter] = (), version: str = "1", **more: Unpack[MethodFields]
) -> Callable[[Callable[..., Finding]], Method]:
    """Make a function ``run(results, options, directory, seed)`` into a :class:`Method`.

    Parameters
    ----------
    name, options, version
        As of :class:`Method`.
    **more
        The other fields of :class:`Method`.

    Examples
    --------
    >>> from hpcsim.inference import Finding, method
    >>> @method("inference.count")
    ... def count(results, options, directory, seed):
    ...     return Finding("inference.count", "Points", {"points": len(results)})
    >>> count.name
    'inference.count'
    """

    def decorate(run: Callable[..., Finding]) -> Method:
        more.setdefault("description", first_line(run))
        return Method(name, version, tuple(options), run, **more)

    return decorate


_REGISTRY = Registry(Method, _BUILT_IN)


def method_names() -> list[str]:
    """Names of all methods: the built-in ones, and those of entry points of group ``hpcsim.inference``."""
    return _REGISTRY.names()


def get_method(name: str, folders: Sequence[Path] | None = None) -> Method:
    """The method of that name; a third party's is found by entry point or as ``package.module:name``.

    Modules of the user's own are looked for in `folders`, the current one by default.

    Raises
    ------
    PluginError
        If there is none, it cannot be imported, or it is no method.
    """
    return _REGISTRY.get(name, folders)
