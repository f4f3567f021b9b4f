"""Packages of hpcsim, with the data folders that stand beside it in a checkout."""

from setuptools import find_packages, setup

DATA = ("jobs", "params", "mod")

setup(
    packages=[*find_packages(include=["hpcsim", "hpcsim.*"]), *(f"hpcsim.{folder}" for folder in DATA)],
    package_dir={f"hpcsim.{folder}": folder for folder in DATA},
    package_data={
        "hpcsim": ["py.typed"],
        "hpcsim.cli": ["skeletons/*"],
        "hpcsim.dashboard": ["assets/*"],
        "hpcsim.report.explore": ["assets/*"],
        "hpcsim.jobs": ["*.j2", "sites/*.toml"],
        "hpcsim.params": ["*.toml"],
        "hpcsim.mod": ["*.mod"],
        "hpcsim.models.nest": ["*.nestml", "*.cpp"],
    },
)
