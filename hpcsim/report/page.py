"""The page as HTML: one file that holds all it shows and asks the network for nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from hpcsim.report.contents import Section

if TYPE_CHECKING:
    from jinja2 import Template

#: Style sheet of the pages of a study.
STYLE = """
:root { --ink: #222; --soft: #666; --line: #ddd; --accent: #0072b2; --bad: #b34700; }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: #fff; max-width: 60rem;
  margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .2rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .8rem; padding-bottom: .3rem; border-bottom: 2px solid var(--accent);
  overflow-wrap: anywhere; }
h3 { font-size: 1rem; margin: 1.5rem 0 .4rem; overflow-wrap: anywhere; }
p, li { overflow-wrap: anywhere; }
.soft { color: var(--soft); } .bad { color: var(--bad); }
nav { font-size: .85rem; } nav a { margin-right: .9rem; display: inline-block; } a { color: var(--accent); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .8rem .25rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
td.text { white-space: normal; min-width: 8rem; overflow-wrap: anywhere; } td.number, th.number { text-align: right; }
td.long { white-space: normal; min-width: 16rem; overflow-wrap: anywhere; }
figure { margin: 1.2rem 0; } img { max-width: 100%; height: auto; }
figcaption { color: var(--soft); font-size: .85rem; }
pre { background: #f6f6f6; padding: .8rem; font-size: .8rem; overflow-x: auto; }
summary { cursor: pointer; color: var(--accent); margin: .6rem 0; }
@media (max-width: 34rem) { dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .5rem; }
  img.wide { max-width: none; width: 44rem; } }
@media print { body { max-width: none; font-size: 10pt; padding: 0; } h2, h3 { break-after: avoid; } nav { display: none; }
  figure, tr { break-inside: avoid; } .scroll, pre { overflow: visible; } pre { white-space: pre-wrap; }
  table { font-size: 7.5pt; } }
"""

_TEMPLATE = """
{%- macro grid(block) -%}
<div class="scroll"><table>
<thead><tr>{% for cell in block.head %}<th{% if not loop.first %} class="{{ block.kinds[loop.index0] }}"{% endif %}>
{{- cell }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in block.rows %}<tr>{% for cell in row %}
{%- if loop.first %}<th>{{ cell }}</th>{% else %}<td class="{{ block.kinds[loop.index0] }}">{{ cell }}</td>{% endif %}
{%- endfor %}</tr>
{% endfor %}</tbody></table></div>
{% if block.more %}<p class="soft">and {{ block.more }} more rows</p>{% endif %}
{%- endmacro -%}
{%- macro show(block) -%}
{% if block.kind == "words" %}<p{% if block.tone %} class="{{ block.tone }}"{% endif %}>{{ block.text }}</p>
{% elif block.kind == "heading" %}<h3>{{ block.text }}</h3>
{% elif block.kind == "notes" %}<ul>{% for note, warns in block.items %}<li{% if warns %} class="bad"{% endif %}>
{{- note }}</li>{% endfor %}</ul>
{% elif block.kind == "link" %}<p><a href="{{ block.address }}">{{ block.text }}</a></p>
{% elif block.kind == "pairs" %}<dl>{% for name, value in block.items %}<dt>{{ name }}</dt><dd>{{ value }}</dd>{% endfor %}</dl>
{% elif block.kind == "picture" %}<figure><div class="scroll">
<img{% if block.wide %} class="wide"{% endif %} src="data:image/png;base64,{{ block.data }}" alt="{{ block.name }}"></div>
<figcaption>{{ block.caption }}{% for name, address in block.links %} <a href="{{ address }}">{{ name }}</a>{% endfor %}
</figcaption></figure>
{% elif block.folded %}<details><summary>{{ block.title }}</summary>
{% if block.kind == "grid" %}{{ grid(block) }}{% else %}<pre>{{ block.text }}</pre>{% endif %}</details>
{% else %}{% if block.title %}<h3>{{ block.title }}</h3>{% endif %}
{% if block.kind == "grid" %}{{ grid(block) }}{% else %}<pre>{{ block.text }}</pre>{% endif %}
{% endif %}
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
<header><h1>{{ title }}</h1><p class="soft">hpcsim report, {{ written }}</p>
<nav>{% for section in sections %}<a href="#part{{ loop.index }}">{{ section.title }}</a>{% endfor %}</nav></header>
<main>
{% for section in sections %}
<section id="part{{ loop.index }}"><h2>{{ section.title }}</h2>
{% for block in section.blocks %}{{ show(block) }}{% endfor %}
</section>
{% endfor %}
</main>
</body>
</html>
"""


def render(title: str, sections: Sequence[Section]) -> str:
    """The page of these sections; every text in them is escaped."""
    written = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return _template().render(style=STYLE, title=title, written=written, sections=sections)


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    # everything is escaped but our own style sheet, in which quotes must stay quotes
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.finalize = lambda value: Markup(value) if value is STYLE else value
    return environment.from_string(_TEMPLATE)
