"""A model, a stage or a method by the name ``module:name`` that a study gives it."""

from __future__ import annotations

import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType

from hpcsim.errors import PluginError, nearest
from hpcsim.source.files import Source, collect, find_module
from hpcsim.source.importer import load

#: Objects that were found by name in the user's own files, by their id, and what each is made of.
_FOUND: dict[int, tuple[object, Source]] = {}


def find(reference: str, word: str, kind: type, folders: Sequence[Path]) -> object:
    """The object that ``module:name`` names: from a file in one of the folders, or from an installed module.

    Parameters
    ----------
    reference : str
    word : str
        What to call it in messages: model, stage.
    kind : type
        What it should be; others of that kind are named in messages.
    folders : sequence of Path
        Where to look first, in this order.

    Raises
    ------
    PluginError
        If there is none, or its module cannot be imported.
    """
    what = f'the {word} "{reference}"'
    module, attribute = _parsed(reference, word)
    places = list(dict.fromkeys([*(folder.absolute() for folder in folders), *_search_path()]))
    root = next((place for place in places if find_module(place, module)), None)
    if module == "__main__":
        found = sys.modules["__main__"]
        if not hasattr(found, attribute.partition(".")[0]):
            raise PluginError(
                f'{what} was defined in a notebook or a script, which only that process knows: run it there with on="inline", '
                f'or put it into a file, such as decay.py, and name it as "decay:{attribute}"'
            )
        source = None
    elif root is not None and module.partition(".")[0] != "hpcsim":
        source = collect(root, module)
        found = _imported(what, partial(load, source), root)
    else:
        source = None
        found = _imported(what, partial(_import_installed, what, module, folders), None)
    thing = _attribute(found, attribute, what, module, kind)
    if source is None or not isinstance(thing, kind):
        return thing
    source = source.with_declared(getattr(thing, "files", ()))
    before = _FOUND.get(id(thing))
    if before is not None and before[1].digests() != source.digests():
        # a module may read its data when it is loaded
        thing = _attribute(_imported(what, partial(load, source), source.root), attribute, what, module, kind)
    _FOUND[id(thing)] = (thing, source)
    return thing


def source_of(thing: object) -> Source | None:
    """What an object was made of that was found by name in the user's own files; None for all others."""
    return _FOUND[id(thing)][1] if id(thing) in _FOUND else None


def _parsed(reference: str, word: str) -> tuple[str, str]:
    """Module and attribute.

    Raises
    ------
    PluginError
        If it is not written so.
    """
    module, colon, attribute = reference.partition(":")
    if colon and all(part.isidentifier() for part in (*module.split("."), *attribute.split("."))):
        return module, attribute
    hint = ""
    stem = Path(module).name.removesuffix(".py")
    if stem.isidentifier() and stem != module:
        name = attribute if attribute.isidentifier() else "NAME"
        hint = f'; a module is no path: put {stem}.py beside the study and write "{stem}:{name}"'
    elif not attribute and stem.isidentifier():
        hint = f'; the name of the {word} in {stem}.py is missing after ":"'
    elif not module:
        hint = '; the module is missing before ":"'
    raise PluginError(f'found "{reference}", expected "module:name" for a {word} of your own, such as "decay:decay"{hint}')


def _import_installed(what: str, module: str, folders: Sequence[Path]) -> ModuleType:
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
    looked = list(dict.fromkeys(str(folder.absolute()) for folder in folders))
    beside = {path.stem for folder in folders for path in folder.glob("*.py")}
    hint = nearest(module, beside) if beside else "put its file beside the study"
    raise PluginError(
        f'{what} cannot be imported: there is no module "{module}" in {" or ".join(looked)}, and none is installed; {hint}'
    )


def _imported(what: str, action: Callable[[], ModuleType], root: Path | None) -> ModuleType:
    """What an import gives; where it fails, the line of the user's file that is to blame."""
    try:
        return action()
    except PluginError:
        raise
    except SyntaxError as error:
        place = f"{error.filename}, line {error.lineno}: " if error.filename else f"in {root}: " if root is not None else ""
        text = f": {error.text.strip()}" if error.text else ""
        raise PluginError(f"{what} cannot be imported: {place}{type(error).__name__}: {error.msg}{text}") from error
    except (Exception, SystemExit) as error:
        said = f"it calls sys.exit({error.code!r})" if isinstance(error, SystemExit) else f"{type(error).__name__}: {error}"
        raise PluginError(f"{what} cannot be imported: {_line(error, root)}{said}") from error


def _line(error: BaseException, root: Path | None) -> str:
    """The last line of the user's own files, or else of any, that led to an error."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    here = str(Path(__file__).parent)
    frames = [frame for frame in frames if not frame.filename.startswith(here) and "importlib" not in frame.filename]
    own = [frame for frame in frames if root is not None and Path(frame.filename).is_relative_to(root)]
    if root is not None and not own:
        # no line was run: Python below 3.11.4 says so of null bytes
        return f"in {root}: "
    last = (own or frames)[-1:]
    return f"{last[0].filename}, line {last[0].lineno}: " if last else ""


def _attribute(module: ModuleType, attribute: str, what: str, name: str, kind: type) -> object:
    found: object = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            known = [key for key, value in vars(module).items() if isinstance(value, kind)]
            raise PluginError(f'the module "{name}" has no "{attribute}", which {what} names; {nearest(attribute, known)}')
        found = getattr(found, part)
    return found


def _search_path() -> Iterable[Path]:
    """Folders of ``sys.path`` in which nothing is installed: modules there are the user's own."""
    folders = (Path(entry).absolute() for entry in sys.path if entry)
    return (folder for folder in folders if folder.is_dir() and not is_installed(folder))


def is_installed(path: Path) -> bool:
    """Whether a file or folder belongs to an installed package or to the standard library."""
    if {"site-packages", "dist-packages"} & set(path.parts):
        return True
    folders = sysconfig.get_paths()
    return any(path.is_relative_to(folders[key]) for key in ("stdlib", "platstdlib", "purelib", "platlib"))
