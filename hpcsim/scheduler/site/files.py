"""Site files: those that ship with hpcsim and the user's own, by name."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from hpcsim.errors import Problem, SiteError, nearest
from hpcsim.files import regular
from hpcsim.paths import folder
from hpcsim.scheduler.site.site import Site
from hpcsim.study.file import read


def load_site(where: str | Path = "") -> Site:
    """The site of that name or in that file; one with Slurm's defaults without a name.

    Parameters
    ----------
    where : str or Path
        A path, or the name of a file in ``~/.config/hpcsim/sites`` or among those that ship with hpcsim.

    Raises
    ------
    SiteError
        If there is none, or with every mistake in it.
    """
    if not str(where):
        return Site(name="default")
    path = _find(where)
    site = Site.check(read(path), str(path))
    return site if site.name else site.model_copy(update={"name": path.stem})


def sites() -> dict[str, Path]:
    """Sites by name; the user's own override those that ship with hpcsim."""
    return {path.stem: path for path in sorted((folder("jobs") / "sites").glob("*.toml"))} | own_sites()


def own_sites() -> dict[str, Path]:
    """The user's own sites by name."""
    own = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "hpcsim" / "sites"
    return {path.stem: path for path in sorted(own.glob("*.toml"))}


def _find(where: str | Path) -> Path:
    path = Path(where)
    # no name of a file, or one that the system refuses
    with suppress(OSError):
        return regular(path)
    known = sites()
    if str(where) in known:
        return known[str(where)]
    raise SiteError([Problem(str(where), "there is no such file or site", nearest(str(where), known))], "site")
