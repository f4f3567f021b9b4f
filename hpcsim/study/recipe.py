"""A recipe: everything that the numbers of a study depend on, apart from the values of its varying parameters.

Finished points are used again when their id and the digest of the recipe agree.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from hpcsim.source.origin import Code
from hpcsim.study.checked import CheckedStudy

#: Raised when the way from a study to its numbers changes (seeds, order of stages).
FORMAT = 1


def make_recipe(study: CheckedStudy, code: Code, inputs: Mapping[str, str]) -> dict[str, Any]:
    """Model, fixed values, seed, sampling, stages, what is kept, versions, and the same of the inputs.

    Parameters
    ----------
    study : CheckedStudy
    code : Code
        What model and stages are made of; empty where all of it ships with hpcsim.
    inputs : mapping of str to str
        Identity of the results of each study that this one uses.

    Returns
    -------
    dict
        Of plain values, as TOML and JSON hold them.
    """
    file = study.file
    source = code.recipe()
    return {
        "format": FORMAT,
        "model": study.model.name,
        "model_version": study.model.version,
        "seed": file.study.seed,
        "threads": file.resources.threads,
        "fixed": {name: _plain(value) for name, value in study.space.fixed.items()},
        "sampling": _sampling(study),
        "identity": dict(study.model.identity()),
        "stages": {
            f"{number}": {
                "use": bound.stage.name,
                "version": bound.stage.version,
                "options": {name: _plain(value) for name, value in bound.options.items()},
            }
            for number, bound in enumerate(study.stages)
        },
        "keep": list(study.layout.outputs),
        "precision": file.outputs.precision,
        "versions": _versions(study),
        "inputs": dict(inputs),
        # only where code is the user's own: what ships with hpcsim is known by its version
        **({"source": source} if source else {}),
    }


def digest(content: Any) -> str:
    """32 hexadecimal digits of plain values, whatever the order of keys.

    Examples
    --------
    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _sampling(study: CheckedStudy) -> dict[str, Any]:
    """How points are drawn: another prior must not be mixed with this one. Empty for a grid."""
    if not study.space.sampled:
        return {}
    design = study.file.design
    if study.search is not None:
        space = {name: str(distribution) for name, distribution in sorted(study.space.sampled.items())}
        return {"method": "suggested", "space": space}
    return {
        "method": design.method,
        "constraint": design.constraint,
        # only a Latin hypercube depends on its length
        "block": (design.block or design.n) if design.method == "lhs" else 0,
        "space": {name: str(distribution) for name, distribution in sorted(study.space.sampled.items())},
    }


def _versions(study: CheckedStudy) -> dict[str, str]:
    names = {*study.model.requires, *(name for bound in study.stages for name in bound.stage.requires)}
    return {name: _version(name) for name in sorted(names)}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _plain(value: Any) -> Any:
    # 1 and 1.0 are the same value, so they must be the same text
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value
