"""signac with signac-flow: https://docs.signac.io, a folder and a document a point, two processes."""

from __future__ import annotations

import os
import sys

import signac
from flow import FlowProject
from work import points, work


class Project(FlowProject):
    """One operation."""


@Project.post.isfile("signac_job_document.json")
@Project.operation
def simulate(job):
    """Nothing."""
    job.doc.y = work(job.sp.x)


if __name__ == "__main__":
    n, folder = int(sys.argv[1]), sys.argv[2]
    os.chdir(folder)
    project = signac.init_project(folder)
    for x in points(n):
        project.open_job({"x": x}).init()
    Project.get_project(folder).run(np=2)
