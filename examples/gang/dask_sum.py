"""A Dask cluster over the ranks of a gang: the scheduler and the client on rank 0, a worker on every other rank.

Every rank runs this file. With the commands that Dask brings: `dask-scheduler --host rank-0` and `dask-worker rank-0:8786 --host rank-1 --no-nanny`.
"""
import asyncio
import os
import socket

from distributed import Client, Scheduler, Worker

RANK, SIZE, PORT = int(os.environ['RANK']), int(os.environ['WORLD_SIZE']), 8786


def square(number):
    return number * number, socket.gethostname()


async def lead():
    async with Scheduler(host='10.99.0.1', port=PORT, dashboard_address=None, dashboard=False) as scheduler:
        async with Client(scheduler.address, asynchronous=True) as client:
            await client.wait_for_workers(SIZE - 1)
            answers = await client.gather(client.map(square, range(1000)))
            print(sum(value for value, _ in answers), 'by', sorted({host for _, host in answers}), flush=True)
            await client.retire_workers()


async def work():
    async with Worker('tcp://rank-0:8786', host=f'10.99.0.{RANK + 1}', nthreads=1, dashboard=False, death_timeout=60) as worker:
        await worker.finished()


if __name__ == '__main__':
    asyncio.run(lead() if RANK == 0 else work())
