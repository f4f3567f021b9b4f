"""Which shards the collector takes: checked, made by the same code, with the same columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpcsim.collector.shard import ShardInfo, verify
from hpcsim.collector.storage import modified, storage, storage_error
from hpcsim.collector.table import Table
from hpcsim.errors import ShardError


@dataclass(frozen=True)
class SetAside:
    """A shard that was not collected: where it is now, and why."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def verified(paths: Sequence[Path], client: Any = None) -> tuple[list[ShardInfo], list[tuple[Path, str]]]:
    """Check shards with Dask: those that can be trusted, and the others with the reason.

    Parameters
    ----------
    paths : sequence of Path
        Those that are gone meanwhile are left out.
    client : distributed.Client, optional
        Where to check; threads of this process without it.
    """
    from dask.base import compute
    from dask.delayed import delayed

    checks = [delayed(_check)(path) for path in paths]
    found = client.gather(client.compute(checks)) if client else compute(*checks, scheduler="threads")
    infos = [info for info in found if isinstance(info, ShardInfo)]
    damaged = [(path, reason) for path, reason in zip(paths, found, strict=True) if isinstance(reason, str)]
    return infos, damaged


def _check(path: Path) -> ShardInfo | str | None:
    """A shard that can be trusted, or why it cannot be; None when it is gone."""
    try:
        return verify(path)
    except FileNotFoundError:
        return None
    except ShardError as error:
        return str(error)


def fitting(infos: Sequence[ShardInfo], results: Path) -> tuple[list[ShardInfo], list[tuple[Path, str]]]:
    """Split shards in those that belong to the results (or to the newest shard), and the others with a reason."""
    if not infos:
        return [], []
    if results.exists():
        with storage(results), Table(results) as table:
            fingerprint, digest = str(table.attrs["fingerprint"]), str(table.attrs["schema"])
    else:
        newest = max(infos, key=lambda info: (modified(info.path), info.path.name))
        fingerprint, digest = newest.fingerprint, newest.schema_digest
    good, others = [], []
    for info in infos:
        if info.fingerprint != fingerprint:
            what = f"was made by other code (fingerprint {info.fingerprint}, the results have {fingerprint})"
        elif info.schema_digest != digest:
            what = "has other outputs, parameters or coordinates than the results"
        else:
            good.append(info)
            continue
        others.append((info.path, f"{info.path.name}: {what}; run it in another directory, or move {results} away"))
    return good, others


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
