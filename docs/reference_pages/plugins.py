"""Models, stages, inference methods, samplers and executors, as they declare themselves."""

from __future__ import annotations

from collections.abc import Iterable

from hpcsim.inference.method import get_method, method_names
from hpcsim.models.registry import MODELS
from hpcsim.outputs import Output
from hpcsim.plugin import Plugin, install_command
from hpcsim.samplers import get_sampler, sampler_names
from hpcsim.scheduler.executors import EXECUTORS, get_executor
from hpcsim.space.parameter import Parameter
from hpcsim.stages.registry import STAGES
from reference_pages.markdown import cell, code, page, prose, table

_OWN = (
    "One of your own is named as `module:name`, with the module beside the study, "
    "or through an entry point of the group `{group}`."
)


def models() -> str:
    """The page of models."""
    found = [MODELS.get(name) for name in MODELS.names()]
    parts = []
    for model in found:
        presets = ", ".join(code(preset) for preset in model.presets)
        parts += [
            _head(model),
            _parameters(model.parameters, "parameter"),
            _outputs(model.outputs),
            f"Presets: {presets}." if presets else "",
        ]
    return page("Models", f'`model = "NAME"` in `[study]`. {_OWN.format(group=found[0].group)}', _overview(found), *parts)


def stages() -> str:
    """The page of stages."""
    found = [STAGES.get(name) for name in STAGES.names()]
    parts = [part for stage in found for part in (_head(stage), _parameters(stage.options, "option"))]
    return page("Stages", f'`use = "NAME"` in `[[stages]]`. {_OWN.format(group=found[0].group)}', _overview(found), *parts)


def methods() -> str:
    """The page of inference methods."""
    found = [get_method(name) for name in method_names()]
    parts = []
    for method in found:
        tables = ", ".join(code(name) for name in method.tables)
        parts += [_head(method), _parameters(method.options, "option"), f"Tables: {tables}." if tables else ""]
    about = f'`use = "NAME"` in `[[inference]]`. {_OWN.format(group=found[0].group)}'
    return page("Inference methods", about, _overview(found), *parts)


def samplers() -> str:
    """The page of samplers."""
    found = [get_sampler(name) for name in sampler_names()]
    parts = []
    for sampler in found:
        tables = ", ".join(code(name) for name in sampler.tables)
        parts += [_head(sampler), _parameters(sampler.options, "option"), f"Tables: {tables}." if tables else ""]
    about = (
        f'`use = "NAME"` in `[sampler]`; the other keys of `[sampler]` are on the page of [searches](../../how-to/search.md). '
        f"{_OWN.format(group=found[0].group)}"
    )
    return page("Samplers", about, _overview(found), *parts)


def executors() -> str:
    """The page of executors."""
    found = [get_executor(name) for name in EXECUTORS]
    about = (
        '`--on NAME`, or `study.run("NAME")`. All of them give the same values, to the bit. '
        f"{_OWN.format(group=found[0].group)} Its test is a subclass of `hpcsim.testing.ExecutorSuite`."
    )
    rows = [(code(one.name), prose(one.description), "yes" if one.feeds or one.drives else "no", _install(one)) for one in found]
    return page("Executors", about, table(("name", "where tasks run", "searches", "installed by"), rows))


def _overview(found: Iterable[Plugin]) -> str:
    return table(
        ("name", "what it does", "installed by"), [(code(one.name), prose(one.description), _install(one)) for one in found]
    )


def _install(plugin: Plugin) -> str:
    return code(install_command(plugin.extra)) if plugin.extra else ""


def _head(plugin: Plugin) -> str:
    source = f"\n\nSource: {cell(plugin.source)}." if plugin.source else ""
    return f"## `{plugin.name}`\n\nVersion {plugin.version}. {prose(plugin.description)}{source}"


def _parameters(parameters: Iterable[Parameter], word: str) -> str:
    rows = [
        (code(one.name), code(_value(one.default)), cell(one.unit), _allowed(one), prose(one.description)) for one in parameters
    ]
    return table((word, "default", "unit", "allowed", "meaning"), rows)


def _allowed(parameter: Parameter) -> str:
    if parameter.choices:
        return ", ".join(code(choice) for choice in parameter.choices)
    return cell(parameter.range)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _outputs(outputs: Iterable[Output]) -> str:
    rows = [
        (code(one.name), cell(", ".join(one.dims) + (" (ragged)" if one.ragged else "")), cell(one.unit), prose(one.description))
        for one in outputs
    ]
    return table(("output", "dimensions", "unit", "meaning"), rows)
