"""The report: one HTML file that holds all it shows and asks the network for nothing."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpcsim.collector.results import Results
from hpcsim.errors import ResultsError
from hpcsim.files import write_text
from hpcsim.inference.finding import SHOWN, Finding
from hpcsim.inference.inputs import ResultsLike
from hpcsim.inference.note import is_warning
from hpcsim.plot.search import convergence, exploration, objectives, parallel_coordinates
from hpcsim.plot.signals import traces
from hpcsim.plot.sweep import sweep_overview, timing
from hpcsim.plotting import save

if TYPE_CHECKING:
    from jinja2 import Template
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

_ROWS = 200  # of a table; the whole of it is in the CSV files
_COMPARED = 5  # rows of a table that is laid beside those of other findings
_PANELS = 24  # of the overview; an output with more columns is a signal

_STYLE = """
:root { --ink: #222; --soft: #666; --line: #ddd; --accent: #0072b2; --bad: #b34700; }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: #fff; max-width: 60rem;
  margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .2rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .8rem; padding-bottom: .3rem; border-bottom: 2px solid var(--accent); }
h3 { font-size: 1rem; margin: 1.5rem 0 .4rem; }
.soft { color: var(--soft); } .bad { color: var(--bad); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .8rem .25rem 0; text-align: left; border-bottom: 1px solid var(--line); white-space: nowrap; }
td.text { white-space: normal; min-width: 14rem; overflow-wrap: anywhere; } td.number, th.number { text-align: right; }
figure { margin: 1.2rem 0; } img { max-width: 100%; height: auto; }
figcaption { color: var(--soft); font-size: .85rem; }
pre { background: #f6f6f6; padding: .8rem; font-size: .8rem; overflow-x: auto; }
summary { cursor: pointer; color: var(--accent); margin: .6rem 0; }
@media (max-width: 34rem) { dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .5rem; } }
@media print { body { max-width: none; font-size: 10pt; padding: 0; } h2, h3 { break-after: avoid; }
  figure, tr { break-inside: avoid; } .scroll, pre { overflow: visible; } pre { white-space: pre-wrap; }
  table { font-size: 7.5pt; } }
"""

_TEMPLATE = """
{%- macro grid(table) -%}
<div class="scroll"><table>
<thead><tr>{% for cell in table.head %}<th{% if not loop.first %} class="{{ table.kinds[loop.index0] }}"{% endif %}>
{{- cell }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in table.rows %}<tr>{% for cell in row %}
{%- if loop.first %}<th>{{ cell }}</th>{% else %}<td class="{{ table.kinds[loop.index0] }}">{{ cell }}</td>{% endif %}
{%- endfor %}</tr>
{% endfor %}</tbody></table></div>
{% if table.more %}<p class="soft">and {{ table.more }} more rows</p>{% endif %}
{%- endmacro -%}
{%- macro pairs(items) -%}
<dl>{% for name, value in items %}<dt>{{ name }}</dt><dd>{{ value }}</dd>{% endfor %}</dl>
{%- endmacro -%}
{%- macro picture(name, data) -%}
<figure><img src="data:image/png;base64,{{ data }}" alt="{{ name }}"><figcaption>{{ name }}</figcaption></figure>
{%- endmacro -%}
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{{ title }}: hpcsim report</title>
<style>{{ style }}</style>
</head>
<body>
<header><h1>{{ title }}</h1><p class="soft">hpcsim report, {{ written }}</p></header>
<main>
<section><h2>What was run</h2>
{{ pairs(run) }}
{% for name, data in overview %}{{ picture(name, data) }}
{% endfor %}{% for note in notes %}<p class="soft">{{ note }}</p>
{% endfor %}</section>
{% if compared %}<section><h2>Compared</h2>
{% for name, table in compared %}<h3>{{ name }}</h3>{{ grid(table) }}
{% endfor %}</section>
{% endif %}{% for finding in findings %}
<section><h2>{{ finding.title }}</h2>
<p class="soft">{{ finding.method }}</p>
{% if finding.metrics %}{{ pairs(finding.metrics) }}{% endif %}
{% if finding.notes %}<h3>Notes</h3><ul>{% for note, warns in finding.notes %}<li{% if warns %} class="bad"{% endif %}>
{{- note }}</li>{% endfor %}</ul>{% endif %}
{% for name, table in finding.short %}<h3>{{ name }}</h3>{{ grid(table) }}
{% endfor %}{% for name, data in finding.figures %}{{ picture(name, data) }}
{% endfor %}{% for name, table in finding.long %}<details><summary>{{ name }}</summary>{{ grid(table) }}</details>
{% endfor %}</section>
{% endfor %}
{% if failures.rows %}<section><h2 class="bad">Failed points</h2>{{ grid(failures) }}</section>{% endif %}
<section><h2>Provenance</h2>
{{ pairs(provenance) }}
<h3>Study</h3><pre>{{ toml }}</pre>
</section>
</main>
</body>
</html>
"""


def write_report(results: ResultsLike, findings: Sequence[Finding], path: str | Path) -> Path:
    """Write the report of a study; its overview figures go to ``figures/`` beside it, too.

    Parameters
    ----------
    results : ResultsLike
    findings : sequence of Finding
        Shown in this order.
    path : path
        The HTML file.

    Returns
    -------
    Path
        Of the file.

    Raises
    ------
    ResultsError
        If a figure of a finding is not there any more.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures, notes = _overview(results, path.parent / "figures")
    page = _template().render(
        style=_STYLE,
        title=_study(results, "name") or results.path.stem,
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        run=_run(results),
        overview=[(name, _embedded(file)) for name, file in pictures.items()],
        notes=notes,
        compared=_compared(findings),
        findings=[_shown(finding) for finding in findings],
        failures=_grid(results.failures),
        provenance=_provenance(results),
        toml=_toml(results.study),
    )
    return write_text(path, page)


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    # everything is escaped but our own style sheet, in which quotes must stay quotes
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.finalize = lambda value: Markup(value) if value is _STYLE else value
    return environment.from_string(_TEMPLATE)


def _study(results: ResultsLike, key: str) -> Any:
    """One entry of the study's first table, or an empty text."""
    section = results.study.get("study", {})
    return section.get(key, "") if isinstance(section, Mapping) else ""


def _run(results: ResultsLike) -> list[tuple[str, str]]:
    """Model, design and points, as names and texts."""
    space, design = results.study.get("space", {}), results.study.get("design", {})
    rows = [("model", str(_study(results, "model")))]
    rows += [(f"space: {name}", _text(values)) for name, values in space.items()]
    rows += [(f"design: {name}", _text(value)) for name, value in design.items()]
    rows += [("replicates", _text(_study(results, "replicates"))), ("seed", _text(_study(results, "seed")))]
    rows.append(("points", f"{len(results)}: " + ", ".join(f"{n} {status}" for status, n in results.counts.items())))
    if "cpu_time" in results.records.columns:
        rows.append(("CPU time", f"{results.records['cpu_time'].sum():.4g} s"))
    if "host" in results.records.columns:
        rows.append(("hosts", ", ".join(sorted({str(host) for host in results.records["host"].dropna()}))))
    return [(name, value) for name, value in rows if value]


def _provenance(results: ResultsLike) -> list[tuple[str, str]]:
    recorded: Mapping[str, Any] = getattr(results, "provenance", None) or {}
    words = [(str(name), str(value)) for name, value in recorded.items() if name not in ("study", "versions")]
    versions = [(str(name), str(value)) for name, value in sorted(results.versions.items())]
    return [("results", results.path.name), *words, *versions]


def _overview(results: ResultsLike, folder: Path) -> tuple[dict[str, Path], list[str]]:
    """Draw what can be drawn, and say what cannot."""
    pictures: dict[str, Path] = {}
    notes: list[str] = []

    def attempt(name: str, file: str, draw: Callable[[], Figure]) -> None:
        try:
            pictures[name] = save(draw(), folder / file)
        except ResultsError as error:
            notes.append(f"No figure of the {name}: {error}")

    def sweep() -> Figure:
        features, hidden = _drawable(results)
        if hidden:
            notes.append(f"Not in the figure of the sweep: {', '.join(hidden)}.")
        return sweep_overview(results, features)

    if isinstance(results, Results) and results.study.get("sampler"):
        attempt("objectives", "objectives.png", lambda: _figure(objectives(results)))
        attempt("convergence", "convergence.png", lambda: convergence(results))
        attempt("exploration", "exploration.png", lambda: _figure(exploration(results)))
        attempt("parallel coordinates", "parallel_coordinates.png", lambda: _figure(parallel_coordinates(results)))
        attempt("traces", "traces.png", lambda: _figure(traces(results)))
    else:
        attempt("sweep", "sweep.png", sweep)
    attempt("wall times", "timing.png", lambda: timing(results))
    return pictures, notes


def _figure(ax: Axes) -> Figure:
    """The whole that axes belong to."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    return figure


def _drawable(results: ResultsLike) -> tuple[DataFrame, list[str]]:
    """Columns of the kept outputs that are features, scalars first, and the names of what is left out."""
    import pandas

    tables, hidden = [], []
    for name in results.study.get("outputs", {}).get("keep", []):
        # the shape is looked at first: a signal may be large
        if name in results.outputs and math.prod(results.outputs[name].shape[1:]) > _PANELS:
            hidden.append(str(name))
            continue
        try:
            tables.append(results.features([name]))
        except ResultsError:  # spike times or a matrix: no numbers that have names
            hidden.append(str(name))
    tables.sort(key=lambda table: table.shape[1])
    features = pandas.concat(tables, axis=1) if tables else pandas.DataFrame()
    if features.shape[1] > _PANELS:
        hidden.append(f"{features.shape[1] - _PANELS} more features")
    return features.iloc[:, :_PANELS], hidden


def _compared(findings: Sequence[Finding]) -> list[tuple[str, dict[str, Any]]]:
    """Tables of numbers that more than one finding has, such as the performance of each schedule, as one."""
    import pandas

    by_name: dict[str, dict[str, DataFrame]] = {}
    for number, finding in enumerate(findings):
        for name, table in finding.tables.items():
            label = finding.title.partition(":")[0]
            held = by_name.setdefault(name, {})
            held[f"{label} ({number + 1})" if label in held else label] = table
    return [
        (name, _grid(pandas.concat([table.rename(index=f"{label}: {{}}".format) for label, table in tables.items()])))
        for name, tables in by_name.items()
        if len(tables) > 1 and all(len(table) <= _COMPARED for table in tables.values())
    ]


def _shown(finding: Finding) -> dict[str, Any]:
    """A finding as the template wants it: short tables open, long ones folded."""
    grids = {name: _grid(table) for name, table in finding.tables.items()}
    scalars = [(name, _text(value)) for name, value in finding.metrics.items() if not isinstance(value, Mapping)]
    nested = {name: value for name, value in finding.metrics.items() if isinstance(value, Mapping) and len(value) <= SHOWN}
    if nested and "metrics" not in grids:
        import pandas

        grids = {"metrics": _grid(pandas.DataFrame.from_dict(nested, orient="index")), **grids}
    short = {name for name, table in finding.tables.items() if len(table) <= 12} | {"metrics"}
    return {
        "title": finding.title,
        "method": finding.method,
        "notes": [(f"Warning: {note}" if is_warning(note) else note, is_warning(note)) for note in finding.notes],
        "metrics": scalars,
        "short": [(name, grid) for name, grid in grids.items() if name in short],
        "long": [(name, grid) for name, grid in grids.items() if name not in short],
        "figures": [(name, _embedded(file)) for name, file in finding.figures.items()],
    }


def _grid(table: DataFrame) -> dict[str, Any]:
    """Texts of a table's head and rows, with a class for each column."""
    kinds = ["text", *("number" if dtype.kind in "iuf" else "text" for dtype in table.dtypes)]
    rows = [[_text(cell) for cell in row] for row in table.head(_ROWS).itertuples(name=None)]
    head = [_text(table.index.name or ""), *(str(name) for name in table.columns)]
    return {"head": head, "rows": rows, "kinds": kinds, "more": max(0, len(table) - _ROWS)}


def _text(value: object) -> str:
    """A value as it is printed: four digits, n/a for NaN, tables and lists in one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} = {_text(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_text(inner) for inner in value[:12]) + (", ...]" if len(value) > 12 else "]")
    if isinstance(value, float):
        return "n/a" if math.isnan(value) else f"{value:.4g}"
    return str(value)


def _embedded(file: Path) -> str:
    try:
        return base64.b64encode(file.read_bytes()).decode("ascii")
    except OSError as error:
        raise ResultsError(f"{file}: the figure cannot be read ({error.strerror}); run the method again") from error


def _toml(study: Mapping[str, Any]) -> str:
    import tomli_w

    return tomli_w.dumps(study)
