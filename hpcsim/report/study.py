"""What a study is, and what it takes to make it again: parameters, stages, outputs, versions, the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from hpcsim.plotting import pretty_unit
from hpcsim.report.contents import Block, Code, Grid, Pairs, Section, Words, quantity, text

if TYPE_CHECKING:
    from hpcsim.collector.results import Results
    from hpcsim.report.standing import Standing
    from hpcsim.study.study import Study

#: Rows of a table that is not folded.
_OPEN = 15
#: Packages that any study rests on, before those that its model and stages name.
_BASE = ("hpcsim", "numpy", "scipy", "h5py")


def study_section(study: Study, results: Results | None) -> Section:
    """Model, design, parameters, stages and outputs."""
    head, design = study.file.study, study.file.design
    size = f"{len(study.design):,} points" + (f", {head.replicates} replicates each counted" if head.replicates > 1 else "")
    items = [("model", f"{study.model.name}, version {study.model.version}"), ("what it is", study.model.description)]
    if study.search:
        items.append(("search", f"{study.search.plan.plugin.name} suggests points: {study.search.budget}"))
    else:
        items.append(("design", f"{design.method}, {size}" + (f", where {design.constraint}" if design.constraint else "")))
    items += [("replicates", str(head.replicates)), ("seed", str(head.seed)), ("preset", head.preset), ("scale", head.scale)]
    if results is not None:
        held = results.provenance
        items += [("made", held.get("created", "")), ("on", held.get("platform", "")), ("command", held.get("command", ""))]
    blocks: list[Block] = [Words(head.description)] if head.description else []
    blocks.append(Pairs([(name, value) for name, value in items if value]))
    return Section("The study", [*blocks, *_parameters(study), *_stages(study), _outputs(study)])


def _parameters(study: Study) -> Iterator[Grid]:
    """What varies and what is fixed, all parameters of the model together."""
    space = study.space
    varies = {name: _spread(values) for axis in space.axes for name, values in axis.lists.items()}
    together = {name: axis.names for axis in space.axes for name in axis.names if len(axis.names) > 1}
    varies |= {name: _spread(distribution) for name, distribution in space.sampled.items()}
    by_name = {parameter.name: parameter for parameter in space.parameters}
    rows = []
    for name, values in varies.items():
        others = ", ".join(other for other in together.get(name, ()) if other != name)
        words = f"{values}, together with {others}" if others else values
        rows.append([name, words, pretty_unit(by_name[name].unit), by_name[name].description])
    if rows:
        head = ["parameter", "values", "unit", "what it is"]
        yield Grid(head, rows, ["text", "text", "text", "long"], title=f"Parameters that vary ({len(rows)})")
    given = {*study.file.fixed, *study.file.space}
    fixed = [
        [name, quantity(value, ""), pretty_unit(by_name[name].unit), "the study" if name in given else "the model", words]
        for name, value in space.fixed.items()
        for words in [by_name[name].description]
    ]
    if fixed:
        title = f"Parameters that are fixed ({len(fixed)})"
        head = ["parameter", "value", "unit", "set by", "what it is"]
        yield Grid(head, fixed, ["text", "text", "text", "text", "long"], title=title, folded=len(fixed) > _OPEN)


def _spread(values: object) -> str:
    """Listed values as they are; distributions and ranges by their name and their numbers."""
    listed = getattr(values, "values", None)
    words = repr(values)
    return quantity(listed, "") if isinstance(listed, tuple) else words[:1].lower() + words[1:]


def _stages(study: Study) -> Iterator[Grid]:
    rows = []
    for number, bound in enumerate(study.stages, 1):
        units = {option.name: option.unit for option in bound.stage.options}
        options = ", ".join(f"{name} = {quantity(value, units.get(name, ''))}" for name, value in bound.options.items())
        rows.append([f"{number}. {bound.use}", bound.stage.version, options, bound.stage.description])
    if rows:
        kinds = ["text", "text", "long", "long"]
        yield Grid(["stage", "version", "options", "what it does"], rows, kinds, title="Stages, in their order")


def _outputs(study: Study) -> Grid:
    rows = []
    for name, output in study.layout.outputs.items():
        sizes = zip(study.layout.shape(name), output.dims, strict=True)
        shape = f"{output.dims[0]}, as many as there are" if output.ragged else ", ".join(f"{n} {dim}" for n, dim in sizes)
        rows.append([name, shape or "one number", pretty_unit(output.unit), output.description])
    head = ["output", "of each point", "unit", "what it is"]
    return Grid(head, rows, ["text", "text", "text", "long"], title="Outputs that were kept", folded=len(rows) > _OPEN)


def again_section(study: Study, results: Results | None, standing: Standing) -> Section:
    """Versions, code and the study file, with which the study can be made again."""
    held: Mapping[str, str] = results.provenance if results is not None else {}
    versions: Mapping[str, Any] = results.versions if results is not None else {}
    blocks: list[Block] = [
        Words("Save the text below as study.toml; with the same versions, this command makes the same numbers, to the bit."),
        Code("hpcsim run study.toml"),
    ]
    matter = {**study.recipe["versions"]}
    known = {name.lower(): str(number) for name, number in versions.items()}
    rows = [["Python", held["python"]]] if "python" in held else []
    rows += [[name, known[name]] for name in _BASE if name in known]
    rows += [[name, str(number)] for name, number in matter.items() if name.lower() not in _BASE]
    if rows:
        blocks.append(Grid(["package", "version"], rows, title="Versions that the numbers depend on"))
    if versions:
        every = [[str(name), str(number)] for name, number in sorted(versions.items(), key=lambda item: str(item[0]).lower())]
        title = f"All {len(every)} packages that were installed"
        blocks.append(Grid(["package", "version"], every, title=title, folded=True))
    if revision := held.get("git_revision"):
        words = "" if not revision.endswith("+") else "; the plus says that files differed from it"
        blocks.append(Words(f"The folder of the study was at revision {revision.rstrip('+')} of git{words}."))
    if source := study.recipe.get("source"):
        rows = [[str(name), text(value)] for name, value in source.items()]
        blocks.append(Grid(["code of the study's own", "digest"], rows, ["text", "long"], title="Code that is not hpcsim's"))
    blocks.append(Code(held.get("study", "") or study.to_toml(), "study.toml", folded=False))
    return Section("To make it again", blocks)
