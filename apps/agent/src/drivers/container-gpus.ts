// A container with devices that CDI files name. Podman carries them out for its own API only (its Docker API takes the same wish and forgets it), so this
// one request is made there: the order as it is written for Docker, in the words of that API. What it leaves out would be podman's default, so everything
// that keeps a job in is said here again, and the attacks of the container tests are run against it.
import { statSync } from 'node:fs'
import { request } from 'node:http'
import type { CdiDevice } from '../gpus/cdi.ts'

export type ContainerOrder = {
  readonly Image: string; readonly Entrypoint: readonly string[]; readonly User: string; readonly WorkingDir: string; readonly Hostname: string; readonly Env: readonly string[]; readonly OpenStdin: boolean; readonly Labels: Readonly<Record<string, string>>
  readonly HostConfig: {
    readonly Memory: number; readonly NanoCpus: number; readonly PidsLimit: number; readonly ShmSize: number; readonly Ulimits: readonly { readonly Name: string; readonly Soft: number; readonly Hard: number }[]
    readonly Tmpfs: Readonly<Record<string, string>>; readonly Binds: readonly string[]; readonly CgroupParent?: string; readonly Runtime?: string
  }
}
const PERIOD_US = 100_000

export async function createWithCards(socketPath: string, order: ContainerOrder, seccompFile: string, devices: readonly CdiDevice[]): Promise<string> {
  const { HostConfig: host } = order
  const bind = (text: string): object => { const [source, destination, mode] = text.split(':'); return { type: 'bind', source, destination, options: ['rbind', 'rprivate', 'nosuid', 'nodev', mode ?? 'rw'] } }
  return post(socketPath, {
    image: order.Image, entrypoint: order.Entrypoint, command: [], user: order.User, work_dir: order.WorkingDir, hostname: order.Hostname, env: Object.fromEntries(order.Env.map((one) => [one.slice(0, one.indexOf('=')), one.slice(one.indexOf('=') + 1)])),
    stdin: order.OpenStdin, terminal: false, labels: order.Labels, healthconfig: { Test: ['NONE'] }, systemd: 'false', httpproxy: false, image_volume_mode: 'ignore', restart_policy: 'no', log_configuration: { driver: 'none' },
    netns: { nsmode: 'none' }, ipcns: { nsmode: 'private' }, pidns: { nsmode: 'private' }, utsns: { nsmode: 'private' }, cgroupns: { nsmode: 'private' }, privileged: false, read_only_filesystem: true, read_write_tmpfs: false,
    cap_drop: ['all'], cap_add: [], no_new_privileges: true, seccomp_profile_path: seccompFile, shm_size: host.ShmSize, ...(host.CgroupParent === undefined ? {} : { cgroup_parent: host.CgroupParent }), ...(host.Runtime === undefined ? {} : { oci_runtime: host.Runtime }),
    resource_limits: { memory: { limit: host.Memory, swap: host.Memory }, cpu: { quota: Math.round((host.NanoCpus * PERIOD_US) / 1e9), period: PERIOD_US }, pids: { limit: host.PidsLimit } },
    r_limits: host.Ulimits.map(({ Name, Soft, Hard }) => ({ type: Name.toUpperCase(), soft: Soft, hard: Hard })),
    mounts: [...Object.entries(host.Tmpfs).map(([destination, options]) => ({ type: 'tmpfs', source: 'tmpfs', destination, options: options.split(',') })), ...host.Binds.map(bind)],
    devices: devices.map(({ name }) => ({ path: name })), groups: groupsOf(devices),
  })
}
/** Groups that may use what not everybody may: cards of the kernel's own drivers are closed to strangers. Never root's. */
function groupsOf(devices: readonly CdiDevice[]): string[] {
  const stats = devices.flatMap(({ own, shared }) => [...own, ...shared]).map(({ hostPath }) => statSync(hostPath))
  return [...new Set(stats.filter(({ mode, gid }) => gid !== 0 && (mode & 0o006) !== 0o006 && (mode & 0o060) === 0o060).map(({ gid }) => String(gid)))]
}

function post(socketPath: string, body: object): Promise<string> {
  return new Promise((resolve, reject) => {
    const text = JSON.stringify(body)
    request({ socketPath, method: 'POST', path: '/v4.0.0/libpod/containers/create', headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) } }, (reply) => {
      let says = ''
      reply.setEncoding('utf8').on('data', (piece: string) => { if (says.length < 10_000) says += piece }).on('end', () => {
        let said: { Id?: string; message?: string } = {}
        try { said = JSON.parse(says) as typeof said } catch { /* no words of podman's: told as they are */ }
        if (reply.statusCode === 201 && said.Id !== undefined) resolve(said.Id)
        else reject(new Error(said.message ?? says.slice(0, 500)))
      })
    }).on('error', reject).end(text)
  })
}
