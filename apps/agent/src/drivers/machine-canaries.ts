// The canaries of probe.ts for a machine that has no Node in it, in Python. They have more time: a machine whose processor is software takes ten times as
// long for everything. And only two run at once.
import type { ProbePlan } from './probe.ts'

const MIB = 1024 * 1024
export function machineCanaries(): Pick<ProbePlan, 'limits' | 'atOnce' | 'speak'> {
  return {
    limits: { memoryBytes: 320 * MIB, wallMs: 60_000 }, atOnce: 2,
    speak: ({ port, port6, udp, secret }) => ({
      hello: { command: py("print('hello')") },
      memory: { command: py(`b = []\nfor i in range(32): b.append(bytearray(b'x' * ${8 * MIB}))\nprint('all', len(b))`), limits: { memoryBytes: 256 * MIB }, peakMax: 257 * MIB },
      // Its whole life is counted, waking up included: until the clock of the machine was set, nothing of it ran.
      cpu: { command: py(`import time\nwhile time.time() < ${Date.now() / 1000} + 4: pass\nprint(round((time.time() - ${Date.now() / 1000}) * 1000))`), limits: { cpuMillis: 250 } },
      pids: { command: py("import os, json, time\nmade = refused = 0\nfor i in range(64):\n  try:\n    if os.fork() == 0: time.sleep(30); os._exit(0)\n    made += 1\n  except OSError: refused += 1\nprint(json.dumps({'made': made, 'refused': refused}))"), limits: { pids: 32 } },
      disk: { command: py(`import json\nn = 0\ntry:\n  f = open('fill', 'wb', buffering=0)\n  for i in range(32):\n    if f.write(b'x' * ${MIB}) != ${MIB}: break\n    n += 1\nexcept OSError: pass\nprint(json.dumps({'n': n}))`) },
      net: { command: py(`import socket, json
def tried(f):
  try: f()
  except OSError: pass
tried(lambda: socket.create_connection(('127.0.0.1', ${port}), 1))
tried(lambda: socket.create_connection(('::1', ${port6 ?? port}), 1))
tried(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', ${udp})))
for host in ('10.0.2.2', '192.168.122.1'): tried(lambda: socket.create_connection((host, ${port}), 1))
for cid in (0, 1, 2): tried(lambda: socket.socket(40, socket.SOCK_STREAM).connect((cid, ${port})))
read = 0
for path in (${JSON.stringify(secret)}, '/etc/shadow'):
  try: read += len(open(path).read())
  except OSError: pass
print(json.dumps({'tried': 1, 'read': read}))`) },
      wall: { command: py('import time\ntime.sleep(600)'), limits: { wallMs: 3_000 } },
      output: { command: py("import sys\nfor i in range(80): sys.stdout.write('x' * 65536)") },
    }),
  }
}
const py = (source: string): string[] => ['/usr/bin/python3', '-c', source]
