"""hpcsim: a study with one parameter, a row a point in results.h5; without the report, which no other draws."""

from __future__ import annotations

import sys

from work import work

import hpcsim


@hpcsim.model("bench.nothing", parameters=[hpcsim.Parameter("x", 0.0)], outputs=[hpcsim.Output("y")])
def nothing(point, context):
    """Nothing."""
    return {"y": work(point["x"])}


if __name__ == "__main__":
    n, folder, executor = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    space = {"x": {"linspace": [0.0, 1.0 - 1.0 / n, n]}}
    hpcsim.Study("nothing", "by_hpcsim:nothing", space=space).run(executor, f"{folder}/study", workers=2, infer=False)
