import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { GpuModel } from '@lumaris/protocol'
import { readCdi } from './cdi.ts'
import { findGpus, modelOf } from './find-gpus.ts'
import { createGpuPool } from './hand-out.ts'
import { parseYaml } from './yaml.ts'

/** A machine made of files. */
function machine(files: Readonly<Record<string, string>>) {
  const root = mkdtempSync(join(tmpdir(), 'lumaris-cards-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  const put = (path: string, text: string, mode = 0o644): void => { mkdirSync(dirname(join(root, path)), { recursive: true }); writeFileSync(join(root, path), text.replaceAll('ROOT', root), { mode }) }
  for (const [path, text] of Object.entries(files)) put(path, text)
  return { root, put, roots: { proc: join(root, 'proc'), sys: join(root, 'sys'), dev: join(root, 'dev'), cdi: [join(root, 'etc/cdi'), join(root, 'run/cdi')], nvidiaSmi: join(root, 'nvidia-smi') } }
}
const nvidia = (pci: string, minor: number, model: string): Record<string, string> => ({
  [`proc/driver/nvidia/gpus/${pci}/information`]: `Model: \t\t ${model}\nIRQ:   \t\t 16\nGPU UUID: \t GPU-${minor}${minor}${minor}\nDevice Minor: \t ${minor}\n`, [`dev/nvidia${minor}`]: '',
  [`sys/bus/pci/devices/${pci}/class`]: '0x030200\n', [`sys/bus/pci/devices/${pci}/vendor`]: '0x10de\n',
})
/** As nvidia-ctk writes it. */
const CDI_YAML = `---
cdiVersion: 0.5.0
containerEdits:
  deviceNodes:
  - path: /dev/nvidiactl
    hostPath: ROOT/dev/nvidiactl
  env:
  - NVIDIA_VISIBLE_DEVICES=void
  hooks:
  - args:
    - nvidia-cdi-hook
    - create-symlinks
    - --link
    - libcuda.so.1::/usr/lib/x86_64-linux-gnu/libcuda.so
    hookName: createContainer
    path: /usr/bin/nvidia-cdi-hook
  mounts:
  - containerPath: /usr/lib/x86_64-linux-gnu/libcuda.so.550.54
    hostPath: /usr/lib/x86_64-linux-gnu/libcuda.so.550.54
    options: [ro, nosuid, nodev, bind]
devices:
- containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
      hostPath: ROOT/dev/nvidia0
  name: "0"
- containerEdits:
    deviceNodes:
    - path: /dev/nvidia1
      hostPath: ROOT/dev/nvidia1
  name: "1"
- containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
      hostPath: ROOT/dev/nvidia0
    - path: /dev/nvidia1
      hostPath: ROOT/dev/nvidia1
  name: all
kind: nvidia.com/gpu
`

test('NVIDIA cards are found with model, memory and the CDI name that means each of them alone', async () => {
  const { roots, put, root } = machine({ ...nvidia('0000:17:00.0', 0, 'NVIDIA H200'), ...nvidia('0000:ca:00.0', 1, 'NVIDIA H200'), 'etc/cdi/nvidia.yaml': CDI_YAML })
  put('nvidia-smi', '#!/bin/sh\necho "GPU-000, 143771"\necho "GPU-111, 143770"\n')
  chmodSync(join(root, 'nvidia-smi'), 0o755)
  const { gpus, problems } = await findGpus(roots)
  expect(problems).toEqual([])
  expect(gpus).toMatchObject([
    { model: 'nvidia-h200', memoryBytes: 143_771 * 1024 * 1024, pci: '0000:17:00.0', cdi: { name: 'nvidia.com/gpu=0', mounts: ['/usr/lib/x86_64-linux-gnu/libcuda.so.550.54'], shared: [{ path: '/dev/nvidiactl' }] } },
    { model: 'nvidia-h200', memoryBytes: 143_770 * 1024 * 1024, cdi: { name: 'nvidia.com/gpu=1', own: [{ path: '/dev/nvidia1', hostPath: join(root, 'dev/nvidia1') }] } },
  ])
})
test('cards of the kernel\'s own drivers are found too; a node hands out one kind, and says what it leaves out', async () => {
  const amd = (n: number): Record<string, string> => ({
    [`sys/class/drm/renderD${128 + n}/device/vendor`]: '0x1002\n', [`sys/class/drm/renderD${128 + n}/device/uevent`]: `DRIVER=amdgpu\nPCI_SLOT_NAME=0000:0${n}:00.0\n`, [`sys/class/drm/renderD${128 + n}/device/product_name`]: 'AMD Instinct MI300X\n', [`sys/class/drm/renderD${128 + n}/device/mem_info_vram_total`]: '206141652992\n', [`dev/dri/renderD${128 + n}`]: '',
    [`sys/bus/pci/devices/0000:0${n}:00.0/class`]: '0x120000', [`sys/bus/pci/devices/0000:0${n}:00.0/vendor`]: '0x1002',
  })
  const cdi = { cdiVersion: '0.6.0', kind: 'amd.com/gpu', devices: [0, 1].map((n) => ({ name: `${n}`, containerEdits: { deviceNodes: [{ path: `/dev/dri/renderD${128 + n}`, hostPath: `ROOT/dev/dri/renderD${128 + n}` }] } })), containerEdits: { deviceNodes: [{ path: '/dev/kfd', hostPath: 'ROOT/dev/kfd' }] } }
  const intel = { 'sys/class/drm/renderD140/device/vendor': '0x8086\n', 'sys/class/drm/renderD140/device/device': '0x56c0\n', 'sys/class/drm/renderD140/device/uevent': 'PCI_SLOT_NAME=0000:40:00.0\n', 'dev/dri/renderD140': '' }
  const other = { cdiVersion: '0.6.0', kind: 'intel.com/gpu', devices: [{ name: 'card1', containerEdits: { deviceNodes: [{ path: '/dev/dri/renderD140', hostPath: 'ROOT/dev/dri/renderD140' }] } }] }
  const { gpus, problems } = await findGpus(machine({ ...amd(0), ...amd(1), ...intel, 'etc/cdi/amd.json': JSON.stringify(cdi), 'run/cdi/intel.json': JSON.stringify(other) }).roots)
  expect(gpus.map(({ model, memoryBytes, cdi: { name } }) => [model, memoryBytes, name])).toEqual([['amd-instinct-mi300x', 206_141_652_992, 'amd.com/gpu=0'], ['amd-instinct-mi300x', 206_141_652_992, 'amd.com/gpu=1']])
  expect(problems).toEqual([{ says: expect.stringContaining('1 × intel-56c0 beside 2 × amd-instinct-mi300x'), hint: expect.stringContaining('second agent') }])
})
test('a card without a driver, a card that no CDI file names, and a file that cannot be read are told with what would help; the screen of a laptop is not', async () => {
  const lost = nvidia('0000:17:00.0', 0, 'NVIDIA L4')
  const bare = machine({ 'sys/bus/pci/devices/0000:17:00.0/class': '0x030000', 'sys/bus/pci/devices/0000:17:00.0/vendor': '0x10de', 'sys/bus/pci/devices/0000:00:02.0/class': '0x030000', 'sys/bus/pci/devices/0000:00:02.0/vendor': '0x8086', 'sys/bus/pci/devices/0000:00:02.0/boot_vga': '1' })
  expect(await findGpus(bare.roots)).toEqual({ gpus: [], problems: [{ says: 'a card of NVIDIA (0000:17:00.0), but no driver that shows it', hint: expect.stringContaining('nvidia-driver') }] })
  expect((await findGpus(machine(lost).roots)).problems).toEqual([{ says: expect.stringContaining('nvidia-l4 (0000:17:00.0) is named by no CDI file'), hint: expect.stringContaining('nvidia-ctk cdi generate') }])
  const torn = machine({ ...lost, 'etc/cdi/a.yaml': 'kind: nvidia.com/gpu\ndevices: &x\n', 'etc/cdi/b.json': '{"kind":"odd"}' })
  expect((await findGpus(torn.roots)).problems.map(({ says }) => says)).toEqual([expect.stringMatching(/a\.yaml cannot be read: line 2: "&x" is not understood/), expect.stringMatching(/b\.json cannot be read/), expect.stringContaining('named by no CDI file')])
  expect(await findGpus(machine({}).roots)).toEqual({ gpus: [], problems: [] })
})
test('an entry for several cards at once is never taken for one of them', async () => {
  const one = { cdiVersion: '0.5.0', kind: 'nvidia.com/gpu', devices: [{ name: 'all', containerEdits: { deviceNodes: [{ path: '/dev/nvidia0', hostPath: 'ROOT/dev/nvidia0' }, { path: '/dev/nvidia1', hostPath: 'ROOT/dev/nvidia1' }] } }] }
  const { gpus, problems } = await findGpus(machine({ ...nvidia('0000:01:00.0', 0, 'NVIDIA L4'), ...nvidia('0000:02:00.0', 1, 'NVIDIA L4'), 'etc/cdi/nvidia.json': JSON.stringify(one) }).roots)
  expect(gpus).toEqual([])
  expect(problems).toHaveLength(2)
})
test('names of makers become names of the market', () => {
  const names = [['nvidia', 'NVIDIA A100-SXM4-80GB', 'nvidia-a100-sxm4-80gb'], ['nvidia', 'NVIDIA GeForce RTX 4090', 'nvidia-geforce-rtx-4090'], ['nvidia', 'Tesla T4', 'nvidia-tesla-t4'], ['amd', 'Radeon™ PRO (W7900)', 'amd-radeon-pro-w7900']] as const
  for (const [vendor, name, model] of names) { expect(modelOf(vendor, name)).toBe(model); expect(GpuModel.safeParse(model).success).toBe(true) }
  expect(modelOf('amd', 'x '.repeat(100))).toMatch(/^[a-z0-9-]{1,60}$/)
})
test('a later directory stands over an earlier one', () => {
  const spec = (path: string) => JSON.stringify({ cdiVersion: '0.5.0', kind: 'a.b/c', devices: [{ name: 'x', containerEdits: { deviceNodes: [{ path }] } }] })
  const { roots } = machine({ 'etc/cdi/one.json': spec('/dev/old'), 'run/cdi/two.json': spec('/dev/new') })
  expect(readCdi(roots.cdi).devices).toMatchObject([{ name: 'a.b/c=x', own: [{ path: '/dev/new', hostPath: '/dev/new' }] }])
})
test('a card is held by one attempt at a time', () => {
  const card = (n: number) => ({ vendor: 'nvidia' as const, pci: `${n}`, model: 'm', memoryBytes: null, node: `/dev/${n}`, cdi: { name: `a/b=${n}`, own: [], shared: [], mounts: [] } })
  const pool = createGpuPool([card(0), card(1), card(2)])
  const two = pool.take(2), one = pool.take(1)
  expect([two?.gpus.length, one?.gpus.length, pool.free, pool.take(1)]).toEqual([2, 1, 0, null])
  two?.release(); two?.release()
  expect(pool.free).toBe(2)
  expect(new Set([...(pool.take(2)?.gpus ?? []), ...(one?.gpus ?? [])]).size).toBe(3)
})
test('YAML as tools write it is read, and what is not understood is an error with its line', () => {
  expect(parseYaml('# words\na: 1 # more\nb: "x # y"\nc:\n- k: v\n  l: [1, two]\n- plain: words\nd:\n  - one\n  -   two: 2\n      three: \'it\'\'s\'\ne: {}\nf:\ng: http://x/y\n')).toEqual({ a: 1, b: 'x # y', c: [{ k: 'v', l: [1, 'two'] }, { plain: 'words' }], d: ['one', { two: 2, three: 'it\'s' }], e: {}, f: null, g: 'http://x/y' })
  for (const [text, line] of [['a: *x', 1], ['a: 1\n  b: 2', 2], ['a: |\n  text', 1], ['- a\nb: 1', 2], ['a: "x', 1], ['a: {b: 1}', 1]] as const) expect(() => parseYaml(text), text).toThrow(`line ${line}: `)
})
