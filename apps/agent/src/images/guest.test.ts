import { expect, test } from 'vitest'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { inPath } from '../drivers/stage.ts'

const python = inPath('python3')
const agent = join(import.meta.dirname, 'guest', 'agent.py')
/** The agent's own words up to where it would begin, then these. */
const withAgent = (source: string): unknown => {
  const ran = spawnSync(python as string, ['-S', '-c', `exec(open(${JSON.stringify(agent)}).read().split('\\ntry: main()')[0])\n${source}`], { encoding: 'utf8', timeout: 60_000 })
  if (ran.status !== 0) throw new Error(ran.stderr)
  return JSON.parse(ran.stdout) as unknown
}
// A door as AF_VSOCK gives it, made of local sockets: each caller comes with the number of the machine that he calls from.
const DOOR = `
callers = []
class Door:
    def __init__(self): self.pair = socket.socketpair()
    def fileno(self): return self.pair[0].fileno()
    def accept(self): return callers.pop(0)
def call(cid):
    here, there = socket.socketpair()
    callers.append((there, (cid, 5000)))
    return here
def frame(letter, payload=b''): return letter + struct.pack('<I', len(payload)) + payload
glob.glob = lambda _path: []
the_door = Door()
open_door = lambda: the_door
line = Line()
`
const missing = python === null ? ' (python3 is not installed)' : ''
test.skipIf(missing)(`where the line is a socket, only the host is let in; who calls again goes on, and half a frame of before is forgotten${missing}`, () => {
  expect(withAgent(`${DOOR}
job, first = call(3), call(2)
line.say(b'R') # waits for the host; a program inside that calls gets nothing
said = [first.recv(100).decode('latin1'), job.recv(100).decode('latin1')]
first.sendall(frame(b'W', b'chance') + frame(b'I', b'cut off')[:7])
heard = list(line.frames())
first.close()
heard += list(line.frames()) # the end of the first caller
at_door = line.fd == the_door.fileno()
second = call(2)
heard += list(line.frames()) # lets him in
second.sendall(frame(b'V'))
heard += list(line.frames())
line.say(b'O', b'goes on')
said.append(second.recv(100).decode('latin1'))
print(json.dumps([said, [[letter.decode(), payload.decode()] for letter, payload in heard], at_door]))`)).toEqual([['R\0\0\0\0', '', 'O\u0007\0\0\0goes on'], [['W', 'chance'], ['V', '']], true])
})
// Two copies in a machine draw different numbers also without this (the processor gives chance to the kernel, and no clock is read twice alike), so it is looked at here.
test.skipIf(missing)(`a machine that wakes gives the kernel all the chance it was sent, has it used at once, and sets the clock${missing}`, () => {
  expect(withAgent(`
done = []
fcntl.ioctl = lambda fd, what, given=None: done.append([fd, what, None if given is None else given.hex()])
time.clock_settime = lambda clock, now: done.append([clock, now])
wake(bytes(range(64)) + struct.pack('<d', 1700000000.5), 9)
print(json.dumps([done, time.CLOCK_REALTIME]))`)).toEqual([[
    [9, 0x40085203, `${Buffer.from(Uint32Array.of(512, 64).buffer).toString('hex')}${Buffer.from(Array.from({ length: 64 }, (_one, i) => i)).toString('hex')}`], [9, 0x5207, null], [0, 1700000000.5],
  ], 0])
})
