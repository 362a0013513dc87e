"""Adds up a vector over all ranks, and checks the sum against what it must be."""
import numpy
from mpi4py import MPI

world = MPI.COMM_WORLD
rank, size, length = world.Get_rank(), world.Get_size(), 1_000_000
mine = numpy.arange(length, dtype='float64') * (rank + 1)
total = numpy.empty_like(mine)
world.Allreduce(mine, total, op=MPI.SUM)
right = bool((total == numpy.arange(length, dtype='float64') * (size * (size + 1) // 2)).all())
names = world.gather(MPI.Get_processor_name(), root=0)
if rank == 0:
    print(f'allreduce over {size} ranks on {sorted(names)}: {"right" if right else "WRONG"}, last element {total[-1]:.0f}', flush=True)
if not all(world.allgather(right)):
    world.Abort(1)
