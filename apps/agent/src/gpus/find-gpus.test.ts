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
/** A machine whose second card is divided, with what NVIDIA's tool says of it in its documented forms. */
function divided(instances: readonly { readonly profile: string; readonly gi: number; readonly ci: number; readonly mib: number }[], more: Readonly<Record<string, string>> = {}) {
  const caps: Record<string, string> = {}, node = (minor: number): string => `dev/nvidia-caps/nvidia-cap${minor}`
  const minors = instances.map(({ gi, ci }) => { const of = { gi: 12 + gi * 9, ci: 13 + gi * 9 + ci }; caps[`proc/driver/nvidia/capabilities/gpu1/mig/gi${gi}/access`] = `DeviceFileMinor: ${of.gi}\nDeviceFileMode: 256\nDeviceFileModify: 1\n`; caps[`proc/driver/nvidia/capabilities/gpu1/mig/gi${gi}/ci${ci}/access`] = `DeviceFileMinor: ${of.ci}\nDeviceFileMode: 256\nDeviceFileModify: 1\n`; caps[node(of.gi)] = ''; caps[node(of.ci)] = ''; return of })
  const entry = (name: string, paths: readonly string[]) => ({ name, containerEdits: { deviceNodes: paths.map((path) => ({ path: `/${path}`, hostPath: `ROOT/${path}` })) } })
  const cdi = { cdiVersion: '0.5.0', kind: 'nvidia.com/gpu', containerEdits: { deviceNodes: [{ path: '/dev/nvidiactl', hostPath: 'ROOT/dev/nvidiactl' }] }, devices: [
    entry('all', ['dev/nvidia0', 'dev/nvidia1', ...minors.flatMap(({ gi, ci }) => [node(gi), node(ci)])]), entry('0', ['dev/nvidia0']), ...minors.map(({ gi, ci }, i) => entry(`1:${i}`, ['dev/nvidia1', node(gi), node(ci)])),
  ] }
  const made = machine({ ...nvidia('0000:17:00.0', 0, 'NVIDIA H200'), ...nvidia('0000:ca:00.0', 1, 'NVIDIA H200'), 'etc/cdi/nvidia.json': JSON.stringify(cdi), ...caps, ...more })
  const xml = `<?xml version="1.0" ?>\n<nvidia_smi_log>\n\t<attached_gpus>2</attached_gpus>\n\t<gpu id="00000000:17:00.0">\n\t\t<product_name>NVIDIA H200</product_name>\n\t\t<mig_mode>\n\t\t\t<current_mig>Disabled</current_mig>\n\t\t</mig_mode>\n\t\t<mig_devices>\n\t\t\tNone\n\t\t</mig_devices>\n\t\t<uuid>GPU-000</uuid>\n\t</gpu>\n\t<gpu id="00000000:CA:00.0">\n\t\t<mig_mode>\n\t\t\t<current_mig>Enabled</current_mig>\n\t\t</mig_mode>\n\t\t<mig_devices>\n${instances.map(({ gi, ci, mib }, i) => `\t\t\t<mig_device>\n\t\t\t\t<index>${i}</index>\n\t\t\t\t<gpu_instance_id>${gi}</gpu_instance_id>\n\t\t\t\t<compute_instance_id>${ci}</compute_instance_id>\n\t\t\t\t<device_attributes>\n\t\t\t\t\t<shared>\n\t\t\t\t\t\t<multiprocessor_count>16</multiprocessor_count>\n\t\t\t\t\t</shared>\n\t\t\t\t</device_attributes>\n\t\t\t\t<fb_memory_usage>\n\t\t\t\t\t<total>${mib} MiB</total>\n\t\t\t\t\t<used>14 MiB</used>\n\t\t\t\t</fb_memory_usage>\n\t\t\t</mig_device>\n`).join('')}\t\t</mig_devices>\n\t\t<uuid>GPU-111</uuid>\n\t\t<minor_number>1</minor_number>\n\t\t<fb_memory_usage>\n\t\t\t<total>143771 MiB</total>\n\t\t</fb_memory_usage>\n\t</gpu>\n</nvidia_smi_log>\n`
  const list = `GPU 0: NVIDIA H200 (UUID: GPU-000)\nGPU 1: NVIDIA H200 (UUID: GPU-111)\n${instances.map(({ profile }, i) => `  MIG ${profile.padEnd(11)} Device  ${i}: (UUID: MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3${i})\n`).join('')}`
  const profiles = '+-----------------------------------------------------------------------------+\n| GPU instance profiles:                                                      |\n|   1  MIG 1g.18gb       19     7/7        16.00      No     16     1     0   |\n|                                                            1     1     0   |\n|   1  MIG 3g.71gb        9     2/2        69.50      No     60     3     0   |\n|   1  MIG 7g.141gb       0     1/1        140.00     No     132    7     0   |\n+-----------------------------------------------------------------------------+\n'
  for (const [name, text] of [['xml', xml], ['list', list], ['profiles', profiles]] as const) made.put(`says/${name}`, text)
  made.put('nvidia-smi', `#!/bin/sh\ncase "$*" in\n--query-gpu=uuid,memory.total*) printf 'GPU-000, 143771\\nGPU-111, 143771\\n';;\n--query-gpu=uuid,mig.mode.current*) printf 'GPU-000, Disabled\\nGPU-111, Enabled\\n';;\n-L) cat ROOT/says/list;;\n'-q -x') cat ROOT/says/xml;;\n'mig -lgip') cat ROOT/says/profiles;;\n*) exit 1;;\nesac\n`)
  chmodSync(join(made.root, 'nvidia-smi'), 0o755)
  return made
}
const parts = (n: number) => Array.from({ length: n }, (_, i) => ({ profile: '1g.18gb', gi: 7 + i, ci: 0, mib: 16_384 }))
test('the partitions of a divided card are devices by themselves, with what the hardware keeps apart for each', async () => {
  const { roots, root } = divided(parts(3))
  const { gpus, problems, others } = await findGpus(roots)
  expect(gpus).toMatchObject([0, 1, 2].map((i) => ({ model: 'nvidia-h200', memoryBytes: 16_384 * 1024 * 1024, part: { profile: '1g.18gb', share: 142, nodes: [join(root, `dev/nvidia-caps/nvidia-cap${75 + 9 * i}`), join(root, `dev/nvidia-caps/nvidia-cap${76 + 9 * i}`)] }, cdi: { name: `nvidia.com/gpu=1:${i}` } })))
  // The undivided card is of another kind: not handed out beside them, and named for a second agent.
  expect(others?.map(({ cdi: { name } }) => name)).toEqual(['nvidia.com/gpu=0'])
  expect(problems).toEqual([{ says: expect.stringContaining('1 × nvidia-h200 beside 3 × nvidia-h200/1g.18gb'), hint: expect.stringContaining('--gpu-kind nvidia-h200') }])
  expect((await findGpus(roots, 'nvidia-h200')).gpus.map(({ cdi: { name } }) => name)).toEqual(['nvidia.com/gpu=0'])
  expect(await findGpus(roots, 'nvidia-l4')).toMatchObject({ gpus: [], problems: [{ says: expect.stringContaining('no nvidia-l4'), hint: expect.stringContaining('nvidia-h200/1g.18gb') }] })
})
test('a divided card is never handed out whole, whatever is missing of what its parts are', async () => {
  const whole = async (made: ReturnType<typeof divided>) => (await findGpus(made.roots)).gpus.filter(({ part }) => !part).map(({ pci }) => pci)
  const silent = divided(parts(2))
  silent.put('nvidia-smi', '#!/bin/sh\nexit 1\n')
  expect(await whole(silent)).toEqual(['0000:17:00.0'])
  expect((await findGpus(silent.roots)).problems.map(({ says }) => says)).toEqual(['nvidia-h200 (0000:ca:00.0): nvidia-smi does not say what its instances are'])
  const empty = divided([])
  expect(await whole(empty)).toEqual(['0000:17:00.0'])
  expect((await findGpus(empty.roots)).problems.map(({ says }) => says)).toEqual(['nvidia-h200 (0000:ca:00.0): it is divided, and has no instance'])
})
test('parts of an instance share its memory, and are not sold; nor is an instance without its device files', async () => {
  const shared = divided([{ profile: '1c.3g.71gb', gi: 2, ci: 0, mib: 71_168 }, { profile: '2c.3g.71gb', gi: 2, ci: 1, mib: 71_168 }, { profile: '3g.71gb', gi: 1, ci: 0, mib: 71_168 }])
  const { gpus, problems } = await findGpus(shared.roots, 'nvidia-h200/3g.71gb')
  expect(gpus.map(({ part, cdi }) => [part?.share, cdi.name])).toEqual([[428, 'nvidia.com/gpu=1:2']])
  expect(problems.map(({ says }) => says).filter((says) => says.includes('shares the memory'))).toHaveLength(2)
  const lost = divided(parts(1), { 'proc/driver/nvidia/capabilities/gpu1/mig/gi7/access': 'DeviceFileMinor: 999\n' })
  lost.put('proc/driver/nvidia/capabilities/gpu1/mig/gi7/access', 'DeviceFileMinor: 999\n')
  expect((await findGpus(lost.roots)).problems.map(({ says }) => says)).toContain('nvidia-h200 (0000:ca:00.0): instance 7 (1g.18gb) has no device files')
})
test('a card of AMD\'s that is divided is not sold as a whole one', async () => {
  const card = (mode: string) => machine({
    'sys/class/drm/renderD128/device/vendor': '0x1002\n', 'sys/class/drm/renderD128/device/uevent': 'PCI_SLOT_NAME=0000:01:00.0\n', 'sys/class/drm/renderD128/device/product_name': 'AMD Instinct MI300X\n', 'sys/class/drm/renderD128/device/current_compute_partition': `${mode}\n`, 'dev/dri/renderD128': '',
    'etc/cdi/amd.json': JSON.stringify({ cdiVersion: '0.6.0', kind: 'amd.com/gpu', devices: [{ name: '0', containerEdits: { deviceNodes: [{ path: '/dev/dri/renderD128', hostPath: 'ROOT/dev/dri/renderD128' }] } }] }),
  })
  expect((await findGpus(card('SPX').roots)).gpus).toHaveLength(1)
  expect(await findGpus(card('CPX').roots)).toMatchObject({ gpus: [], problems: [{ says: expect.stringContaining('is divided (CPX)'), hint: expect.stringContaining('SPX') }] })
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
