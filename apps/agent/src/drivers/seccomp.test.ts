import { describe, expect, test } from 'vitest'
import { seccompFilter } from './seccomp.ts'

// A reader of classic BPF, as small as the filter needs, so that the table of a machine we do not have is tested too.
function decide(filter: Buffer, data: { arch: number; nr: number; args?: readonly number[] }): number {
  const seen = Buffer.alloc(64)
  seen.writeUInt32LE(data.nr >>> 0, 0)
  seen.writeUInt32LE(data.arch, 4)
  ;(data.args ?? []).forEach((value, i) => seen.writeUInt32LE(value >>> 0, 16 + i * 8))
  let a = 0
  for (let at = 0, steps = 0; steps < 1000; steps++, at++) {
    const code = filter.readUInt16LE(at * 8), jt = filter.readUInt8(at * 8 + 2), jf = filter.readUInt8(at * 8 + 3), k = filter.readUInt32LE(at * 8 + 4)
    if (code === 0x06) return k
    if (code === 0x20) a = seen.readUInt32LE(k)
    else at += (code === 0x15 ? a === k : code === 0x35 ? a >= k : code === 0x45 ? (a & k) !== 0 : false) ? jt : jf
  }
  throw new Error('the filter does not end')
}
const ALLOW = 0x7fff0000, KILL = 0x80000000, errno = (n: number): number => 0x50000 | n
const machines = {
  x64: { arch: 0xc000003e, read: 0, ptrace: 101, mount: 165, bpf: 321, io_uring_setup: 425, clone: 56, clone3: 435, socket: 41, ioctl: 16 },
  arm64: { arch: 0xc00000b7, read: 63, ptrace: 117, mount: 40, bpf: 280, io_uring_setup: 425, clone: 220, clone3: 435, socket: 198, ioctl: 29 },
}
describe.each(Object.entries(machines))('%s', (name, machine) => {
  const filter = seccompFilter(name) as Buffer
  const at = (nr: number, ...args: number[]): number => decide(filter, { arch: machine.arch, nr, args })
  test('ordinary calls pass, another machine\'s calls end the process', () => {
    expect(at(machine.read)).toBe(ALLOW)
    expect(decide(filter, { arch: 0x40000003, nr: machine.read })).toBe(KILL)
  })
  test('what widens the surface of the kernel is refused', () => {
    for (const nr of [machine.ptrace, machine.mount, machine.bpf, machine.io_uring_setup]) expect(at(nr)).toBe(errno(1))
    expect(at(machine.clone3)).toBe(errno(38))
    expect(at(463)).toBe(errno(38))
    expect(at(0x40000000 + machine.read)).toBe(errno(38))
  })
  test('a thread may be made, a namespace may not', () => {
    expect(at(machine.clone, 0x3d0f00)).toBe(ALLOW)
    for (const flag of [0x10000000, 0x20000000, 0x40000000, 0x20000, 0x2000000, 0x4000000, 0x8000000]) expect(at(machine.clone, flag)).toBe(errno(1))
  })
  test('sockets are local ones; nothing is typed into a terminal', () => {
    expect(at(machine.socket, 1)).toBe(ALLOW)
    for (const family of [2, 10, 16, 17, 38, 40]) expect(at(machine.socket, family)).toBe(errno(97))
    expect(at(machine.ioctl, 0, 0x5401)).toBe(ALLOW)
    expect(at(machine.ioctl, 0, 0x5412)).toBe(errno(1))
  })
})
test('no filter is made for a machine whose numbers are not known', () => expect(seccompFilter('riscv64')).toBeNull())
