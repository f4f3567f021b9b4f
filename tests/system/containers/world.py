"""An MPI world that mpi4py and NEST must agree upon: a network on all ranks, and the spikes that they all counted."""

import os

import nest
import numpy as np
from mpi4py import MPI

world = MPI.COMM_WORLD
nest.set_verbosity("M_ERROR")
nest.ResetKernel()
neurons = nest.Create("iaf_psc_alpha", 10, params={"I_e": 400.0})
recorder = nest.Create("spike_recorder")
nest.Connect(neurons, recorder)
nest.Simulate(200.0)
# large enough for the ways between processes that small messages do not take
block = np.ones(2**18)
world.Allreduce(MPI.IN_PLACE, block)
assert (block == world.size).all()
spikes = world.allreduce(recorder.n_events)
nodes = sorted(set(world.allgather(os.environ.get("SLURMD_NODENAME", ""))))
if world.rank == 0:
    found = [world.size, nest.NumProcesses(), spikes, ",".join(nodes), os.environ["APPTAINER_CONTAINER"]]
    print("\nworld", *found, flush=True)
