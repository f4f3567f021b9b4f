"""The recipes that a study's directory has had: code may change within it where the user says so.

Points that an earlier recipe made stay; the results say which rows come from which.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hpcsim.errors import DirectoryError, StorageError
from hpcsim.files import regular, write_text
from hpcsim.source.changes import describe
from hpcsim.source.record import store, stored_files, texts
from hpcsim.study.directory import StudyDirectory, differences
from hpcsim.study.recipe import digest

if TYPE_CHECKING:
    from hpcsim.study.study import Study

#: The file in a study's directory; there only where the recipe changed.
_FILE = "recipes.json"
#: Parts of a recipe that say what the code is; all others say what the study is.
_CODE = ("source", "versions", "identity", "model_version", "inputs")


def open_directory(study: Study, directory: StudyDirectory, *, accept_changes: bool = False) -> list[str]:
    """Make a directory the study's own, or recognise that it is; the source of its code is stored in it.

    Parameters
    ----------
    study : Study
    directory : StudyDirectory
    accept_changes : bool
        Go on where code, or versions of packages, changed since the points in the directory were made.

    Returns
    -------
    list of str
        What a user may want to know.

    Raises
    ------
    DirectoryError
        If it holds something else, or points that other code made.
    StorageError
        If it cannot be written.
    """
    directory.recognise(study.name)
    held = directory.recipe()
    told = [study.notice] if study.notice else []
    if held and held != study.recipe:
        if held == study.earlier_recipe:
            if not os.access(directory.path, os.W_OK):
                return told
            if study.code.files:
                told.append(
                    f"{directory.path} was made before hpcsim kept the source of models: the code as it is now is taken for "
                    "that which made its points, and stored there"
                )
            changes = ["no source was kept"]
        else:
            changes = _changes(study, directory, held)
            _check(study, directory, held, changes, accept_changes)
            told.append(f"{directory.path}: changes accepted; the results say which recipe made each row")
        _remember(directory, held, changes)
    store(directory.path, study.stored_code)
    directory.write(study.to_toml())
    return told


def fingerprints(study: Study, directory: StudyDirectory) -> tuple[str, ...]:
    """Those of all recipes whose points count in this directory: the earlier ones in order, and the study's."""
    known = [str(entry["fingerprint"]) for entry in earlier_recipes(directory)]
    held = directory.recipe()
    if held and held != study.recipe and held == study.earlier_recipe:
        known.append(digest(held))
    return tuple(dict.fromkeys([*known, study.fingerprint]))


def known_fingerprints(study: Study, directory: StudyDirectory) -> tuple[str, ...]:
    """Those of :func:`fingerprints`, and that of the recipe in the directory: what stands there is collected all the same."""
    *earlier, own = fingerprints(study, directory)
    held = directory.recipe()
    return tuple(dict.fromkeys([*earlier, *([digest(held)] if held else []), own]))


def changed_since(study: Study, directory: StudyDirectory) -> str:
    """A sentence where the directory holds points of another recipe than the study has now; or an empty text."""
    held = directory.recipe()
    if not held or held in (study.recipe, study.earlier_recipe):
        return ""
    first = _changes(study, directory, held)[0].rstrip(":")
    return f"{directory.path} holds points that were made in another way ({first}, ...); `hpcsim run` says more"


def earlier_recipes(directory: StudyDirectory) -> list[dict[str, Any]]:
    """Recipes that the directory had before its present one, each with its source.

    Raises
    ------
    StorageError
        If they cannot be read.
    """
    path = directory.path / _FILE
    try:
        entries: list[dict[str, Any]] = json.loads(regular(path).read_text(encoding="utf-8"))["earlier"]
        return entries
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(f"{path} cannot be read: {error}; bring it back from a copy of the directory") from error


def provenance(directory: StudyDirectory) -> dict[str, str]:
    """What the results say about the code: its source, and the earlier recipes where there are any."""
    source = texts(stored_files(directory.path))
    said = {"source": json.dumps(source, sort_keys=True)} if source else {}
    earlier = earlier_recipes(directory)
    if earlier:
        recipe = directory.recipe()
        said["recipes"] = json.dumps([*earlier, {"fingerprint": digest(recipe), "recipe": recipe, "source": source}])
    return said


def _changes(study: Study, directory: StudyDirectory, held: Mapping[str, Any]) -> list[str]:
    before, after = dict(held), dict(study.recipe)
    files = {name: file.content for name, file in study.code.files.items() if file.content is not None}
    source = describe(before.pop("source", {}), after.pop("source", {}), stored_files(directory.path), files)
    return [*source, *differences(before, after)]


def _check(study: Study, directory: StudyDirectory, held: Mapping[str, Any], changes: list[str], accept_changes: bool) -> None:
    shown = "\n".join(f"  {line}" for line in changes)
    if _without_code(held) != _without_code(study.recipe):
        raise DirectoryError(
            f"{directory.path} holds this study as it was made in another way:\n{shown}\n"
            "Give another directory with --dir, or move the old one away"
        )
    if not accept_changes:
        raise DirectoryError(
            f"{directory.path} holds points that other code made:\n{shown}\n"
            "Give another directory with --dir to simulate all points with the code as it is now, or go on with --accept-changes "
            "(accept_changes=True in Python): finished points stay as they are, and the results say which code made each row"
        )
    if columns := _other_columns(study, directory):
        raise DirectoryError(
            f"{directory.path} cannot go on with the changed code, whose outputs have other names, shapes, types or coordinates "
            f"than those in {columns}:\n{shown}\nGive another directory with --dir"
        )


def _without_code(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe without what says what the code is."""
    rest = {key: value for key, value in recipe.items() if key not in _CODE}
    stages = rest.get("stages", {})
    return {**rest, "stages": {key: {**stage, "version": ""} for key, stage in stages.items()}}


def _other_columns(study: Study, directory: StudyDirectory) -> str:
    """The name of a file in the directory whose columns are not the study's, or an empty text."""
    from hpcsim.collector.format.schema import Schema
    from hpcsim.collector.format.table import Table

    wanted = Schema(study.columns, study.layout, precision=study.file.outputs.precision).digest
    for path in directory.result_files()[:1]:
        with Table(path) as table:
            if table.attrs.get("schema") != wanted:
                return path.name
    return ""


def _remember(directory: StudyDirectory, held: Mapping[str, Any], changes: list[str]) -> None:
    entry = {
        "fingerprint": digest(held),
        "recipe": dict(held),
        "source": texts(stored_files(directory.path)),
        "until": datetime.now(UTC).isoformat(timespec="seconds"),
        "changes": changes,
    }
    earlier = earlier_recipes(directory)
    # rows are numbered by the order of recipes, which must stay
    if entry["fingerprint"] in [item["fingerprint"] for item in earlier]:
        return
    path = directory.path / _FILE
    try:
        write_text(path, json.dumps({"earlier": [*earlier, entry]}, indent=1) + "\n")
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}; give another directory with --dir") from error
