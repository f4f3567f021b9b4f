"""Which shards the collector takes: checked, made by the same code, with the same columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpcsim.collector.format.inspection import inspect, structure
from hpcsim.collector.format.storage import modified, storage, storage_error
from hpcsim.collector.format.table import Table
from hpcsim.collector.shard import ShardInfo, verify
from hpcsim.errors import DirectoryError, ShardError

#: So many shards are checked before Dask is loaded.
_FEW = 16


@dataclass(frozen=True)
class SetAside:
    """A shard that was not collected: where it is now, and why."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def verified(paths: Sequence[Path], client: Any = None) -> tuple[list[ShardInfo], list[tuple[Path, str]]]:
    """Check shards, many of them with Dask: those that can be trusted, and the others with the reason.

    Parameters
    ----------
    paths : sequence of Path
        Those that are gone meanwhile are left out.
    client : distributed.Client, optional
        Where to check; threads of this process without it.
    """
    found = [_check(path) for path in paths] if client is None and len(paths) <= _FEW else _checked(paths, client)
    infos = [info for info in found if isinstance(info, ShardInfo)]
    damaged = [(path, reason) for path, reason in zip(paths, found, strict=True) if isinstance(reason, str)]
    return infos, damaged


def _checked(paths: Sequence[Path], client: Any) -> Sequence[ShardInfo | str | None]:
    """As `_check`, at once."""
    from dask.base import compute
    from dask.delayed import delayed
    from dask.threaded import get

    # by its function: to look for a scheduler by name, Dask loads all of distributed
    checks = [delayed(_check)(path) for path in paths]
    found: Sequence[ShardInfo | str | None] = client.gather(client.compute(checks)) if client else compute(*checks, scheduler=get)
    return found


def _check(path: Path) -> ShardInfo | str | None:
    """A shard that can be trusted, or why it cannot be; None when it is gone."""
    try:
        return verify(path)
    except FileNotFoundError:
        return None
    except ShardError as error:
        return str(error)


def fitting(
    infos: Sequence[ShardInfo], results: Path, recipes: Sequence[str] = ()
) -> tuple[list[ShardInfo], list[tuple[Path, str]]]:
    """Split shards in those that belong to the results, and the others with a reason.

    Parameters
    ----------
    infos : sequence of ShardInfo
    results : Path
    recipes : sequence of str
        Fingerprints of the recipes whose points count. Without it that of the results counts, or that of the newest shard.

    Raises
    ------
    DirectoryError
        If the results are of another recipe.
    """
    if not infos and not results.exists():
        return [], []
    fingerprints, digest, built = _asked(infos, results, recipes)
    good, others = [], []
    for info in infos:
        if info.fingerprint not in fingerprints:
            whose = "this study has" if recipes else "the results have"
            what = f"was made by another recipe (fingerprint {info.fingerprint}, {whose} {fingerprints[-1]}); it is not used"
        elif (info.schema_digest, info.structure) != (digest, built):
            what = f"has other outputs, parameters or coordinates than the results; run it elsewhere, or move {results} away"
        else:
            good.append(info)
            continue
        others.append((info.path, f"{info.path.name}: {what}"))
    return good, others


def _asked(infos: Sequence[ShardInfo], results: Path, recipes: Sequence[str]) -> tuple[Sequence[str], str, tuple[Any, ...]]:
    """Fingerprints that shards may have, and the schema and structure that they must have."""
    if results.exists():
        if recipes:
            check_recipe(results, recipes)
        with storage(results), Table(results) as table:
            return recipes or [str(table.attrs["fingerprint"])], str(table.attrs["schema"]), structure(inspect(table))
    own = [info for info in infos if not recipes or info.fingerprint in recipes]
    newest = max(own or infos, key=lambda info: (modified(info.path), info.path.name))
    return recipes or [newest.fingerprint], newest.schema_digest, newest.structure


def check_recipe(results: Path, recipes: Sequence[str]) -> None:
    """Look whether results are of one of some recipes, before anything is added to them.

    Raises
    ------
    DirectoryError
        If they are of another one.
    """
    with storage(results), Table(results) as table:
        fingerprint = str(table.attrs["fingerprint"])
    if fingerprint not in recipes:
        raise DirectoryError(
            f"{results} holds points of another recipe (fingerprint {fingerprint}) than this study's ({recipes[-1]}); "
            "move the file away, and `hpcsim run` simulates its points again"
        )


def set_aside(path: Path, folder: str, reason: str) -> SetAside:
    """Move a shard into a folder beside it."""
    target = path.parent / folder / path.name
    try:
        target.parent.mkdir(exist_ok=True)
        path.replace(target)
    except FileNotFoundError:
        return SetAside(path, reason)
    except OSError as error:
        raise storage_error(error, path.name, target.parent) from error
    return SetAside(target, reason)
