"""What a study would run and how far it is, for scripts; and what its inference will do, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hpcsim.study.expected_size import free_bytes, point_bytes

if TYPE_CHECKING:
    from hpcsim.scheduler.plan import Plan
    from hpcsim.study.checked import BoundMethod
    from hpcsim.study.directory import StudyDirectory
    from hpcsim.study.study import Study

#: Options of a method that need no mention where they say nothing.
_EMPTY: tuple[Any, ...] = (None, "", (), [], {})


def inference_words(bound: BoundMethod) -> str:
    """What a method will do: what it infers from what, and the options that are not the defaults.

    Parameters
    ----------
    bound : BoundMethod
    """
    defaults = {option.name: option.default for option in bound.method.options}
    given = {name: value for name, value in bound.options.items() if value not in _EMPTY and value != defaults.get(name)}
    options = ", ".join(f"{name} {_text(value)}" for name, value in given.items())
    more = "; simulates more points" if bound.method.simulates else ""
    missing = "" if bound.method.installed else " (not installed)"
    return f"{bound.name}{missing}{f': {options}' if options else ''}{more}"


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def plan_mapping(study: Study, place: StudyDirectory, plan: Plan) -> dict[str, Any]:
    """What `hpcsim plan` says, as plain values."""
    one = point_bytes(study)
    return {
        "study": study.name,
        "model": study.model.name,
        "version": study.model.version,
        "directory": place.path,
        "points": {"total": plan.total, "finished": plan.done, "left": plan.left},
        "lists": {name: len(axis) for axis in study.space.axes for name in axis.lists},
        "drawn": {name: str(distribution) for name, distribution in study.space.sampled.items()},
        "sampler": study.search.plan.plugin.name if study.search else None,
        "outputs": {name: {"dims": o.dims, "unit": o.unit, "bytes": one[name]} for name, o in study.layout.outputs.items()},
        "bytes": {"point": sum(one.values()), "left": sum(one.values()) * plan.left, "free": free_bytes(place.path)},
        "needs": list(study.needs),
        "inference": [{"use": bound.name, **bound.options} for bound in study.methods],
    }


def status_mapping(study: Study, place: StudyDirectory, plan: Plan) -> dict[str, Any]:
    """What `hpcsim status` says of points, as plain values; jobs are Slurm's to say."""
    from hpcsim.scheduler.state.failures import failed_points, grouped
    from hpcsim.study.history import changed_since

    groups = grouped(failed_points(study, place))
    return {
        "study": study.name,
        "directory": place.path,
        "points": {"total": plan.total, "finished": plan.done, "left": plan.left},
        "failed": sum(len(group.failures) for group in groups),
        "failures": [
            {"status": group.status, "reason": group.reason, "ids": [failure.id for failure in group.failures]}
            for group in groups
        ],
        "note": changed_since(study, place),
    }
