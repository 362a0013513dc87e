#!/usr/bin/env python3
"""Open MPI over the ranks of a gang, without ssh: every rank runs `python3 mpi.py PROGRAM [ARGUMENT ...]`.

Rank 0 runs mpirun. Where mpirun would call `ssh HOST COMMAND` it calls this file again (--reach HOST COMMAND), which asks the rank of that
name to run the command: Open MPI's own daemon, and nothing else. Each other rank listens for that one request, on its address in the gang's own
network, which only ranks of the gang can reach. RANK and WORLD_SIZE say who one is and how many there are; one process is started on each rank, or
as many as MPI_SLOTS says.
"""
import json
import os
import shlex
import socket
import subprocess
import sys
import threading
import time

PORT = 29517
SUBNET = '10.99.0.0/24'
PATIENCE = 60  # seconds until all ranks are up
DAEMON = 'orted'


def send(sock, kind, data=b''):
    sock.sendall(bytes([kind]) + len(data).to_bytes(4, 'big') + data)


def receive(sock):
    head = sock.recv(5, socket.MSG_WAITALL)
    if len(head) < 5:
        return None, b''
    size = int.from_bytes(head[1:], 'big')
    return head[0], sock.recv(size, socket.MSG_WAITALL) if size else b''


def serve(rank):
    """One request: a daemon's command line. Its output goes back as it comes, then its exit code."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((socket.gethostbyname(f'rank-{rank}'), PORT))
        listener.listen(1)
        listener.settimeout(PATIENCE)
        caller, _ = listener.accept()
    with caller:
        words = json.loads(receive(caller)[1])
        if not words or os.path.basename(words[0]) != DAEMON:
            sys.exit(f'only {DAEMON} is started for others, not {words[:1]}')
        daemon = subprocess.Popen([DAEMON, *words[1:]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

        def hang_up():  # rank 0 went away: so does the daemon
            while receive(caller)[0] is not None:
                pass
            daemon.kill()

        threading.Thread(target=hang_up, daemon=True).start()
        for line in daemon.stdout:
            send(caller, 1, line)
        send(caller, 0, str(daemon.wait()).encode())
    return daemon.returncode


def reach(host, command):
    """In the place of ssh. The command is a line for a login shell, `( test ! -r ./.profile || . ./.profile; orted … )`: here no shell reads it, and only the daemon's part counts."""
    words = [word for word in shlex.split(command) if word != ')']
    while words and os.path.basename(words[0]) != DAEMON:
        words.pop(0)
    until = time.monotonic() + PATIENCE
    while True:
        try:
            sock = socket.create_connection((host, PORT), 5)
            break
        except OSError:
            if time.monotonic() > until:
                sys.exit(f'{host} does not answer')
            time.sleep(0.1)
    sock.settimeout(None)
    send(sock, 2, json.dumps(words).encode())
    while True:
        kind, data = receive(sock)
        if kind == 1:
            sys.stderr.buffer.write(data)
            sys.stderr.flush()
        else:
            return int(data) if kind == 0 else 1


def run(size, program):
    slots = os.environ.get('MPI_SLOTS', '1')
    hosts = ','.join(f'rank-{rank}:{slots}' for rank in range(size))
    agent = f'{sys.executable} {os.path.abspath(__file__)} --reach'
    # Attached: the daemon stays this file's child, and so the rank's sandbox lives as long as it does.
    options = {'orte_leave_session_attached': '1', 'plm_rsh_agent': agent, 'plm_rsh_no_tree_spawn': '1', 'btl': 'self,tcp', 'pml': 'ob1', 'btl_tcp_if_include': SUBNET, 'oob_tcp_if_include': SUBNET, 'btl_base_warn_component_unused': '0'}
    return subprocess.call(['mpirun', '--host', hosts, *[word for name, value in options.items() for word in ('--mca', name, value)], *program])


if __name__ == '__main__':
    if sys.argv[1:2] == ['--reach']:
        sys.exit(reach(sys.argv[2], ' '.join(sys.argv[3:])))
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    me, world = int(os.environ['RANK']), int(os.environ['WORLD_SIZE'])
    sys.exit(run(world, sys.argv[1:]) if me == 0 else serve(me))
