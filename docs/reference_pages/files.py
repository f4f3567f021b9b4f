"""Keys of study files and site files, as their sections declare them; and the studies that ship with hpcsim."""

from __future__ import annotations

import re
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from numpydoc.docscrape import NumpyDocString
from pydantic.fields import FieldInfo

from hpcsim.paths import shipped_studies
from hpcsim.scheduler.site.site import Overrides, Site
from hpcsim.study.file import Section, StudyFile, read
from reference_pages.markdown import code, page, prose, table


def study_file() -> str:
    """The page of study files."""
    parts = [_section(field.annotation, f"[{name}]") for name, field in StudyFile.model_fields.items() if _is_section(field)]
    about = (
        "A study is one TOML file; a key that is not here is a mistake, and the message names the nearest one. "
        "`[space]`, `[fixed]` and the tables of distributions are on the page of [study files](../../how-to/study_file.md), "
        "`[sampler]` on the page of [searches](../../how-to/search.md#keys). `[[stages]]` and `[[inference]]` have `use` and "
        "the options of the "
        "[stage](stages.md) or [method](methods.md). `[scales.NAME]` holds any of these tables: its keys replace the others "
        "with `--scale NAME`."
    )
    return page("Study file", about, *parts)


def site_file() -> str:
    """The page of site files."""
    own = {name: field for name, field in Site.model_fields.items() if not _is_section(field)}
    parts = [_section(field.annotation, f"[{name}]") for name, field in Site.model_fields.items() if _is_section(field)]
    about = (
        "A site is what the user of a cluster says once: `~/.config/hpcsim/sites/NAME.toml`, or any file for `--site FILE`. "
        "How they are used is on the page of [clusters](../../how-to/clusters.md). What the command says counts more than the "
        "study, "
        "the study more than the site."
    )
    over = "## `--with KEY=VALUE`\n\nFor one submission alone, over study and site.\n\n" + _keys(
        Overrides, Overrides.model_fields
    )
    return page("Site file", about, "## Keys of the file itself\n\n" + _keys(Site, own), *parts, over)


def shipped() -> str:
    """The page of the studies that ship with hpcsim."""
    rows = []
    for name, path in shipped_studies().items():
        tables = read(path)
        scales = ", ".join(code(scale) for scale in tables.get("scales", {}))
        about = tables["study"]
        rows.append((code(name), code(about["model"]), prose(about.get("description", "")), scales))
    about = (
        "`hpcsim run NAME` runs one of them, `--scale ci` at the smallest size. "
        "Copy the file from `params/` to begin with your own."
    )
    return page("Shipped studies", about, table(("study", "model", "what it is", "scales"), rows))


def described(section: type[Section]) -> dict[str, str]:
    """What the docstring of a section says of each of its keys."""
    found = {}
    for entry in NumpyDocString(_dedented(section.__doc__ or ""))["Parameters"]:
        for name in entry.name.split(","):
            found[name.strip()] = " ".join(entry.desc)
    return found


def hidden(field: FieldInfo, name: str) -> bool:
    """Whether a key is written by hpcsim, not by hand."""
    del field
    return name in {"scale", "recipe", "bounds"}


def _dedented(text: str) -> str:
    first, _, rest = text.partition("\n")
    return f"{first}\n{re.sub('^ {4}', '', rest, flags=re.MULTILINE)}"


def _is_section(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, Section)


def _section(section: Any, title: str) -> str:
    about = NumpyDocString(_dedented(section.__doc__ or ""))["Summary"]
    sentence = re.sub(r"^``\[\w+\]``[:;,.]?\s*", "", " ".join(about))
    return f"## `{title}`\n\n{prose(sentence[:1].upper() + sentence[1:])}\n\n{_keys(section, section.model_fields)}"


def _keys(section: type[Section], fields: dict[str, FieldInfo]) -> str:
    words = described(section)
    rows = [
        (code(name), _kind(field), code(_default(field)), prose(words.get(name, "")))
        for name, field in fields.items()
        if not hidden(field, name)
    ]
    return table(("key", "value", "default", "meaning"), rows)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return ""
    value = field.get_default(call_default_factory=True)
    return "" if value in ("", None, (), {}) else str(value)


def _kind(field: FieldInfo) -> str:
    limits = [limit for limit in map(str, field.metadata) if limit.startswith(("Ge", "Le", "Gt", "Lt"))]
    words = {"Ge(ge=": "at least ", "Gt(gt=": "more than ", "Le(le=": "at most ", "Lt(lt=": "less than "}
    said = []
    for limit in limits:
        for start, word in words.items():
            if limit.startswith(start) and len(number := limit.removeprefix(start).rstrip(")")) < 10:
                said.append(word + number)
    needed = ["needed"] if field.is_required() else []
    return ", ".join([_type(field.annotation), *said, *needed])


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0])
    if origin is Literal:
        return ", ".join(code(f'"{value}"') for value in arguments)
    if origin in (Union, UnionType):
        return " or ".join(_type(one) for one in arguments if one is not NoneType)
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return "table"
    return {int: "whole number", float: "number", str: "text", bool: "true or false"}.get(annotation, str(annotation))
