"""The environment for conda-forge names what pyproject.toml names."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text())

#: Names that differ: on PyPI, on conda-forge.
CONDA = {"matplotlib": ["matplotlib-base"], "dask": ["dask", "distributed"], "mpich": ["openmpi"], "neo": ["python-neo"]}
#: Extras for those who change hpcsim.
DEVELOPERS = ("test", "docs")
#: What PyPI has not, or what needs none of it.
BESIDES = {"python", "pip", "cxx-compiler", "make", "cmake"}


def needed() -> dict[str, SpecifierSet]:
    """What hpcsim and its extras need, by its name on conda-forge; what is for one Python alone is left out."""
    extras = PROJECT["optional-dependencies"]
    lines = [*PROJECT["dependencies"], *(line for name in extras if name not in DEVELOPERS for line in extras[name])]
    needs: dict[str, SpecifierSet] = {}
    for requirement in map(Requirement, lines):
        if requirement.name == "hpcsim" or requirement.name in needs:
            continue
        for name in CONDA.get(requirement.name, [canonicalize_name(requirement.name)]):
            needs[name] = SpecifierSet() if name == "openmpi" else requirement.specifier
    return needs


def named() -> dict[str, SpecifierSet]:
    """What the file names, from conda-forge and from PyPI: a name, versions, and perhaps a build."""
    *conda, last = ENVIRONMENT["dependencies"]
    *pip, package = last["pip"]
    assert package == "-e ."
    found = {}
    for line in [*conda, *pip]:
        name, versions = re.fullmatch(r"([a-z0-9-]+)(?: ([<>=.,0-9]+)(?: [a-z_*]+)?)?", line).groups()
        assert name not in found
        found[name] = SpecifierSet(versions or "")
    return found


def test_the_environment_for_conda_has_all_dependencies_with_their_versions():
    assert set(ENVIRONMENT) == {"name", "channels", "dependencies"} and ENVIRONMENT["channels"][0] == "conda-forge"
    found = named()
    assert found["python"] == SpecifierSet(PROJECT["requires-python"])
    assert {name: versions for name, versions in found.items() if name not in BESIDES} == needed()
