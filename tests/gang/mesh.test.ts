import { afterAll, describe, expect, test } from 'vitest'
import { joinGang, leaveGang, needs, python, startDriver, startRank, startRelay } from './rig.ts'
import type { Driver, Rank, Rig } from './rig.ts'

// Rank 0 serves, the others ask: TCP both ways, UDP, and many bytes whose hash both ends know.
const SERVE = `
import hashlib, socket, threading
t = socket.socket(); t.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); t.bind(('0.0.0.0', 7000)); t.listen()
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('0.0.0.0', 7001))
def echo():
  for _ in range(2):
    data, who = u.recvfrom(65535); u.sendto(data[::-1], who)
e = threading.Thread(target=echo); e.start()
def one(c, who):
  want = int.from_bytes(c.recv(8, socket.MSG_WAITALL), 'big'); got = 0; h = hashlib.sha256()
  while got < want:
    part = c.recv(1 << 20); got += len(part); h.update(part)
  c.sendall(h.digest()); c.sendall(b'back' * (1 << 20)); c.close()
  print('from', who[0], got, flush=True)
threads = []
for _ in range(2):
  c, who = t.accept(); threads.append(threading.Thread(target=one, args=(c, who))); threads[-1].start()
for x in threads + [e]: x.join()
`
const ASK = (mib: number): string => `
import hashlib, os, socket, time
def call():
  for _ in range(200):
    try: return socket.create_connection(('rank-0', 7000), 5)
    except OSError: time.sleep(0.05)
  raise SystemExit('rank-0 does not answer')
c = call(); c.settimeout(60); h = hashlib.sha256(); block = os.urandom(1 << 20)
c.sendall((${mib} << 20).to_bytes(8, 'big'))
t = time.time()
for i in range(${mib}):
  b = i.to_bytes(4, 'big') + block[4:]; h.update(b); c.sendall(b)
print('same', c.recv(32, socket.MSG_WAITALL) == h.digest(), round(${mib} / (time.time() - t)), 'MiB/s', flush=True)
back = hashlib.sha256()
while True:
  part = c.recv(1 << 20)
  if not part: break
  back.update(part)
print('back', back.digest() == hashlib.sha256(b'back' * (1 << 20)).digest(), flush=True)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.settimeout(1)
for _ in range(10):
  try: u.sendto(b'abc' * 4000, ('rank-0', 7001)); print('udp', u.recv(65535) == b'cba' * 4000, flush=True); break
  except OSError: pass
`

if (needs) test.skip(`the network of a gang: ${needs}`, () => undefined)
else describe('the network of a gang', () => {
  const ready: Promise<{ driver: Driver; rig: Rig }> = (async () => ({ driver: await startDriver('mesh'), rig: await startRelay() }))()
  const gangs: Rank[][] = []
  afterAll(async () => { const { driver, rig } = await ready; for (const gang of gangs) await leaveGang(gang); await rig.close(); await driver.close() })

  for (const direct of [false, true]) test(`three sandboxes ${direct ? 'straight' : 'over the relay'}: TCP both ways, UDP, 100 MiB and not one byte other`, { timeout: 300_000 }, async () => {
    const { driver, rig } = await ready
    const ranks = await joinGang(rig, driver.scratch, { direct })
    gangs.push(ranks)
    const all = await Promise.all(ranks.map((rank) => startRank(driver, rank, python(rank.rank === 0 ? SERVE : ASK(100)))))
    const ended = await Promise.all(all.map((one) => one.done))
    for (const { end, err } of ended) expect(end, err).toMatchObject({ cause: 'exit', code: 0 })
    for (const { out } of ended.slice(1)) expect(out).toMatch(/same True \d+ MiB\/s\nback True\nudp True\n/)
    expect(ended[0]?.out.split('\n').filter(Boolean).sort()).toEqual(['from 10.99.0.2 104857600', 'from 10.99.0.3 104857600'])
    const stats = ranks.map((rank) => rank.mesh.stats())
    for (const one of stats) expect(one).toMatchObject({ forged: 0 })
    for (const peer of stats[1]?.peers ?? []) if (peer.rank === 0) expect(direct ? peer.packetsRelayed : peer.packetsDirect).toBe(0)
  })
})
