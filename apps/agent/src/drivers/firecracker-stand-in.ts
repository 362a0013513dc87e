// For tests, in the place of Firecracker and its jailer: reads the jailer's command line, takes the same requests on the same socket, refuses what
// Firecracker refuses (what is not in the table, what comes too early or too late), offers the same two kinds of sockets, and runs the machine in QEMU, in
// software. What it is not: a wall. The root directory is a plain directory, and the machine's line is a serial port inside.
//   node firecracker-stand-in.ts FOLDER [the jailer's arguments]       what was asked is written to FOLDER/requests
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { appendFileSync, chownSync, copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'
import { basename, join } from 'node:path'
import type { Duplex } from 'node:stream'
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { REQUESTS } from './firecracker-api.ts'
import { openMonitor } from './qemu-monitor.ts'

const [folder = '', ...words] = process.argv.slice(2), log = join(folder, 'requests')
const refuse = (why: string): never => { appendFileSync(log, `${JSON.stringify({ jailer: why })}\n`); process.stderr.write(`${why}\n`); process.exit(1) }

const cut = words.indexOf('--')
const { values } = parseArgs({ args: words.slice(0, cut), strict: true, options: { id: { type: 'string' }, 'exec-file': { type: 'string' }, uid: { type: 'string' }, gid: { type: 'string' }, 'chroot-base-dir': { type: 'string' }, 'resource-limit': { type: 'string', multiple: true } } })
const { id = '', 'exec-file': execFile = '', 'chroot-base-dir': base = '/srv/jailer', 'resource-limit': bounds = [] } = values
if (!/^[a-zA-Z0-9-]{1,64}$/.test(id)) refuse('Invalid instance ID')
if (!basename(execFile).includes('firecracker') || !existsSync(execFile)) refuse('Invalid filename')
if (!/^\d+$/.test(values.uid ?? '') || !/^\d+$/.test(values.gid ?? '')) refuse('Failed to parse the user')
if (bounds.some((one) => !/^(?:fsize|no-file)=\d+$/.test(one))) refuse('Invalid resource argument')
if (process.getuid?.() !== 0) refuse('only root can do that')
const { 'api-sock': apiSock = '/run/firecracker.socket' } = parseArgs({ args: words.slice(cut + 1), strict: true, options: { 'api-sock': { type: 'string' } } }).values
const uid = Number(values.uid), gid = Number(values.gid), root = join(base, basename(execFile), id, 'root'), at = (path: string): string => join(root, path)
mkdirSync(root, { recursive: true })
copyFileSync(execFile, at(basename(execFile)))
chownSync(root, uid, gid)

/** The sockets are the machine's user's from the first moment, as they are where he made them. */
function listenAs(listen: () => void): void { process.setegid?.(gid); process.seteuid?.(uid); listen(); process.seteuid?.(0); process.setegid?.(0) }

type Drive = z.infer<typeof REQUESTS.root.body>
const Config = z.object({ size: REQUESTS.size.body.optional(), kernel: REQUESTS.kernel.body.optional(), drives: z.array(REQUESTS.root.body), line: REQUESTS.line.body.optional() })
let config: z.infer<typeof Config> = { drives: [] }
let state: 'Not started' | 'Running' | 'Paused' = 'Not started', monitor: ReturnType<typeof openMonitor> | null = null

/** What the machine says before anybody called stays in its socket; the first word of a machine that boots shows that somebody inside listens. */
async function run(incoming: string | null): Promise<void> {
  const { size, kernel, drives, line } = config
  if (!size || !kernel || !line || drives.length === 0) throw new Error('the machine is not described')
  const disk = ({ drive_id: name, path_on_host: path, is_read_only: readOnly }: Drive): string[] => ['-blockdev', `driver=file,filename=${at(path)},node-name=${name},cache.no-flush=on,read-only=${readOnly ? 'on' : 'off'}`, '-device', `virtio-blk-pci,drive=${name}`]
  const machine: ChildProcess = spawn('setpriv', [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', 'qemu-system-x86_64',
    '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-accel', 'tcg,tb-size=32', '-cpu', 'max', '-m', String(size.mem_size_mib), '-smp', String(size.vcpu_count), '-M', 'q35,sata=off,smbus=off,i8042=off,vmport=off,hpet=off',
    '-kernel', at(kernel.kernel_image_path), '-initrd', at(kernel.initrd_path), '-append', kernel.boot_args, ...drives.toSorted((a, b) => Number(b.is_root_device) - Number(a.is_root_device)).flatMap(disk),
    '-chardev', 'socket,id=line,fd=3', '-device', 'virtio-serial-pci', '-device', 'virtserialport,chardev=line,name=lumaris', '-chardev', 'socket,id=monitor,fd=4', '-mon', 'chardev=monitor,mode=control',
    '-chardev', 'stdio,id=console,signal=off', '-serial', 'chardev:console', ...(incoming === null ? [] : ['-incoming', 'defer']),
  ], { cwd: root, stdio: ['ignore', 'inherit', 'inherit', 'pipe', 'pipe'] })
  machine.once('exit', (code, signal) => process.exit(signal ? 137 : code ?? 1))
  const serial = machine.stdio[3] as unknown as Duplex
  let listens = incoming !== null
  if (!listens) serial.once('readable', () => { listens = true })
  const uds = createServer((caller) => {
    caller.on('error', () => caller.destroy())
    caller.once('data', (said: Buffer) => {
      appendFileSync(log, `${JSON.stringify({ said: said.toString() })}\n`)
      if (said.toString() !== 'CONNECT 1024\n' || !listens) { caller.destroy(); return }
      caller.write('OK 1073741824\n')
      caller.pipe(serial, { end: false })
      serial.pipe(caller)
    })
  })
  listenAs(() => uds.listen(at(line.uds_path)))
  monitor = openMonitor(machine.stdio[4] as unknown as Duplex)
  await monitor.up
  if (incoming !== null) await migrated('migrate-incoming', `exec:cat ${at(incoming)}`)
}
async function migrated(command: string, uri: string): Promise<void> {
  if (!monitor) throw new Error('there is no machine')
  await monitor.ask('migrate-set-capabilities', { capabilities: [{ capability: 'events', state: true }] })
  await monitor.ask('migrate-set-parameters', { 'max-bandwidth': 2 ** 40 })
  const over = monitor.next('MIGRATION', (data) => data?.status === 'completed' || data?.status === 'failed')
  await monitor.ask(command, { uri })
  if ((await over)?.status !== 'completed') throw new Error('the memory could not be moved')
}

const acts: { readonly [N in keyof typeof REQUESTS]: (body: z.infer<(typeof REQUESTS)[N]['body']>) => void | Promise<void> } = {
  size(body) { config.size = body }, kernel(body) { config.kernel = body }, line(body) { config.line = body },
  root(body) { config.drives.push(body) }, work(body) { config.drives.push(body) },
  async boot() { await run(null); state = 'Running' },
  async load({ snapshot_path: path, mem_backend: memory, resume_vm: goesOn }) {
    if (config.drives.length > 0 || config.size || config.kernel || config.line) throw new Error('Loading a microVM snapshot not allowed after configuring boot-specific resources.')
    config = Config.parse(JSON.parse(readFileSync(at(path), 'utf8')))
    await run(memory.backend_path)
    state = 'Paused'
    if (goesOn) { await monitor?.ask('cont'); state = 'Running' }
  },
  async state({ state: to }) { await monitor?.ask(to === 'Paused' ? 'stop' : 'cont'); state = to === 'Paused' ? 'Paused' : 'Running' },
  async take({ snapshot_path: path, mem_file_path: memory }) {
    if (state !== 'Paused') throw new Error('Cannot save a microVM that runs')
    await migrated('migrate', `exec:cat > ${at(memory)}`)
    writeFileSync(at(path), JSON.stringify(config), { flag: 'wx' })
    chownSync(at(path), uid, gid)
  },
}
const server = createHttpServer((asked, answer) => {
  let text = ''
  asked.setEncoding('utf8').on('data', (chunk: string) => { text += chunk }).on('end', () => {
    const say = (status: number, body?: object): void => { appendFileSync(log, `${JSON.stringify({ method: asked.method, path: asked.url, body: text === '' ? null : text, status, ...body })}\n`); answer.writeHead(status, body ? { 'content-type': 'application/json' } : {}).end(body ? JSON.stringify(body) : undefined) }
    const fault = (why: string): void => say(400, { fault_message: why })
    if (asked.method === 'GET' && asked.url === '/') { say(200, { id, state, vmm_version: '1.17.0', app_name: 'Firecracker' }); return }
    const found = Object.entries(REQUESTS).find(([, one]) => one.method === asked.method && one.path === asked.url)
    if (!found) { fault('Invalid request method and/or path'); return }
    const [name, { body: shape, before }] = found as [keyof typeof REQUESTS, (typeof REQUESTS)[keyof typeof REQUESTS]]
    if (before !== (state === 'Not started')) { fault(before ? 'The requested operation is not supported after starting the microVM.' : 'The requested operation is not supported before starting the microVM.'); return }
    let parsed: unknown
    try { parsed = shape.parse(JSON.parse(text)) } catch (error) { fault(`An error occurred when deserializing the json body of a request: ${(error as Error).message}`); return }
    void (async () => { try { await (acts[name] as (body: unknown) => void | Promise<void>)(parsed); say(204) } catch (error) { fault((error as Error).message) } })()
  })
})
listenAs(() => server.listen(at(apiSock)))
