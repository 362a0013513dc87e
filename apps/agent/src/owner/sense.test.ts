// The senses on files of a directory of their own: what Linux writes to /proc, /sys and /dev, copied from real machines.
import { execFileSync } from 'node:child_process'
import { closeSync, constants, mkdirSync, mkdtempSync, openSync, rmSync, utimesSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createInputWatch } from './inputs.ts'
import { createLoadMeter } from './load.ts'
import { readCelsius, readPower } from './power.ts'

function aMachine(files: Record<string, string>) {
  const root = mkdtempSync(join(tmpdir(), 'lumaris-sense-'))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  const put = (path: string, text: string): void => { mkdirSync(dirname(join(root, path)), { recursive: true }); writeFileSync(join(root, path), text) }
  for (const [path, text] of Object.entries(files)) put(path, text)
  return { root, put, roots: { proc: join(root, 'proc'), sys: join(root, 'sys'), dev: join(root, 'dev'), loginctl: join(root, 'loginctl') } }
}
const DEVICES = `I: Bus=0019 Vendor=0000 Product=0005 Version=0000
N: Name="Lid Switch"
H: Handlers=event0
B: EV=21

I: Bus=0011 Vendor=0001 Product=0001 Version=ab41
N: Name="AT Translated Set 2 keyboard"
H: Handlers=sysrq kbd event3 leds
B: EV=120013

I: Bus=0003 Vendor=046d Product=c077 Version=0111
N: Name="Logitech USB Optical Mouse"
H: Handlers=mouse0 event5
B: EV=17
`
const BOTH = { inputs: true, terminals: false }

test('a key or a mouse that moves is seen, a lid is not; and what was typed is nowhere', () => {
  const { root, roots } = aMachine({ 'proc/bus/input/devices': DEVICES })
  mkdirSync(join(root, 'dev/input'), { recursive: true })
  for (const name of ['event0', 'event3', 'event5']) execFileSync('mkfifo', [join(root, 'dev/input', name)])
  // A pipe stands in for the device: it too says EAGAIN while nothing comes. Held open for writing, as a device is.
  const hands = Object.fromEntries(['event0', 'event3', 'event5'].map((name) => [name, openSync(join(root, 'dev/input', name), constants.O_RDWR | constants.O_NONBLOCK)])) as Record<string, number>
  const watch = createInputWatch(roots)
  onTestFinished(() => { watch.close(); for (const fd of Object.values(hands)) closeSync(fd) })
  expect(watch.idleMs(1_000, 0, BOTH)).toBe(0) // whoever starts the agent is there
  expect([watch.devices, watch.unreadable]).toEqual([2, 0])
  expect(watch.idleMs(5_000, 0, BOTH)).toBe(4_000)
  writeSync(hands['event0'] as number, Buffer.alloc(24, 1))
  expect(watch.idleMs(6_000, 0, BOTH)).toBe(5_000)
  writeSync(hands['event5'] as number, Buffer.alloc(24 * 400, 1))
  expect(watch.idleMs(7_000, 0, BOTH)).toBe(0)
  expect(watch.idleMs(7_250, 0, BOTH)).toBe(250)
  writeSync(hands['event3'] as number, Buffer.alloc(24, 1))
  expect(watch.idleMs(8_000, 0, BOTH)).toBe(0)
  expect(watch.idleMs(9_000, 0, { inputs: false, terminals: false })).toBe(null)
})

test('a device that may not be read is counted, one that comes later is found, one that goes is let go', () => {
  const { root, put, roots } = aMachine({ 'proc/bus/input/devices': DEVICES })
  const watch = createInputWatch(roots)
  onTestFinished(() => watch.close())
  expect(watch.idleMs(0, 0, BOTH)).toBe(null)
  expect([watch.devices, watch.unreadable]).toEqual([2, 2]) // named by the kernel, but not to be opened
  mkdirSync(join(root, 'dev/input'), { recursive: true })
  execFileSync('mkfifo', [join(root, 'dev/input/event3')])
  expect(watch.idleMs(10_000, 0, BOTH)).toBe(0)
  put('proc/bus/input/devices', '')
  expect(watch.idleMs(20_000, 0, BOTH)).toBe(null)
})

test('a server without input devices has nobody to give way to; a terminal counts where that was asked for', () => {
  const { root, put, roots } = aMachine({})
  const watch = createInputWatch(roots)
  onTestFinished(() => watch.close())
  put('dev/pts/3', '')
  put('dev/pts/ptmx', '')
  utimesSync(join(root, 'dev/pts/3'), 1_000, 1_000)
  expect(watch.idleMs(0, 1_005_000, BOTH)).toBe(null)
  expect(watch.idleMs(0, 1_005_000, { inputs: true, terminals: true })).toBe(5_000)
})

test.each([
  ['somebody is active in a graphical session', 'Type=wayland\nIdleHint=no\nIdleSinceHint=1000000000', 0],
  ['all of them are idle', 'Type=x11\nIdleHint=yes\nIdleSinceHint=1000000000\n\nType=wayland\nIdleHint=yes\nIdleSinceHint=1003000000', 2_000],
  ['a desktop that never gives a hint tells nothing', 'Type=x11\nIdleHint=no\nIdleSinceHint=0', null],
  ['somebody came by ssh', 'Type=tty\nIdleHint=no\nIdleSinceHint=1000000000', null],
])('where no device may be read, logind is asked: %s', async (_name, says, idle) => {
  const { root, roots } = aMachine({})
  writeFileSync(join(root, 'loginctl'), `#!/bin/sh\nif [ "$1" = list-sessions ]; then printf ' 2 1000 ann seat0 tty2\\n c1 0 root\\n'; else\n[ "$2 $3" = "2 c1" ] || exit 1\ncat <<'END'\n${says}\nEND\nfi\n`, { mode: 0o755 })
  const watch = createInputWatch(roots)
  onTestFinished(() => watch.close())
  let now = 0
  if (idle === null) {
    watch.idleMs(0, 1_005_000, BOTH)
    // Asked again a second later: by then the first answer is there, and it says nothing.
    await expect.poll(() => watch.idleMs((now += 1_000), 1_005_000, BOTH)).toBe(null)
  } else await expect.poll(() => watch.idleMs((now += 1_000), 1_005_000, BOTH)).toBe(idle)
})

const supply = (name: string, files: Record<string, string>): Record<string, string> => Object.fromEntries(Object.entries(files).map(([file, text]) => [`sys/class/power_supply/${name}/${file}`, `${text}\n`]))
test.each<[string, Record<string, string>, boolean | null, number | null]>([
  ['a desktop', {}, null, null],
  ['a laptop at the wall', { ...supply('AC', { type: 'Mains', online: '1' }), ...supply('BAT0', { type: 'Battery', status: 'Charging', capacity: '40' }) }, false, 40],
  ['a laptop that is full, at the wall', { ...supply('AC', { type: 'Mains', online: '1' }), ...supply('BAT0', { type: 'Battery', status: 'Not charging', capacity: '100' }) }, false, 100],
  ['a laptop under way, two batteries', { ...supply('AC', { type: 'Mains', online: '0' }), ...supply('BAT0', { type: 'Battery', status: 'Discharging', capacity: '30' }), ...supply('BAT1', { type: 'Battery', status: 'Unknown', capacity: '71' }) }, true, 51],
  ['a battery that says nothing, unplugged', { ...supply('AC', { type: 'Mains', online: '0' }), ...supply('BAT0', { type: 'Battery', status: 'Unknown', capacity: '80' }) }, true, 80],
  ['the mouse is on battery, the computer is not', { ...supply('hid-1', { type: 'Battery', scope: 'Device', status: 'Discharging', capacity: '12' }) }, null, null],
  ['charged by USB-C', { ...supply('ucsi', { type: 'USB', online: '1' }), ...supply('AC', { type: 'Mains', online: '0' }), ...supply('BAT0', { type: 'Battery', status: 'Charging', capacity: '9' }) }, false, 9],
])('power: %s', (_name, files, onBattery, batteryPercent) => { expect(readPower(aMachine(files).roots.sys)).toEqual({ onBattery, batteryPercent }) })

test('the hottest sensor that makes sense is the temperature', () => {
  const { roots, put } = aMachine({ 'sys/class/thermal/thermal_zone0/temp': '16800\n', 'sys/class/thermal/thermal_zone1/temp': '71500\n', 'sys/class/thermal/thermal_zone2/temp': '-273200\n', 'sys/class/thermal/cooling_device0/temp': '99000' })
  expect(readCelsius(roots.sys)).toBe(71.5)
  put('sys/class/hwmon/hwmon2/name', 'k10temp\n')
  put('sys/class/hwmon/hwmon2/temp1_input', '83250\n')
  put('sys/class/hwmon/hwmon3/name', 'nvme\n')
  put('sys/class/hwmon/hwmon3/temp1_input', '95000\n')
  expect(readCelsius(roots.sys)).toBe(83.25)
  expect(readCelsius(aMachine({}).roots.sys)).toBe(null)
})

test('the load of others is what is busy, without jobs, without the agent, and without what gives way by itself', () => {
  const { put, roots } = aMachine({})
  let ours = 0, agent = 0
  // user nice system idle iowait irq softirq steal, in hundredths of a second of two cores.
  const at = (user: number, nice: number, idle: number): void => put('proc/stat', `cpu  ${user} ${nice} 0 ${idle} 0 0 0 0 0 0\ncpu0 1 2 3\n`)
  at(0, 0, 0)
  const meter = createLoadMeter(roots.proc, () => ours, () => agent)
  expect(meter.read().otherPercent).toBe(null)
  for (let second = 1; second <= 4; second++) { at(second * 100, second * 20, second * 80); ours += 500; agent += 100; meter.read() }
  // Of 2 s of CPU in a second: 1.0 user (0.5 jobs, 0.1 agent, 0.4 others), 0.2 nice, 0.8 idle.
  expect(meter.last).toEqual({ cpuPercent: 60, jobsPercent: 25, otherPercent: 20 })
})
