// Run by Deno with --allow-ffi and nothing else: makes a TUN interface inside another network namespace and carries its packets, each behind its length
// (32 bits, little-endian), over the socket on descriptor 3. An empty frame says that the interface is up. Node cannot make the ioctl that this takes.
//
// The namespace's owner may make interfaces in it. Root is that for every namespace. Anybody else is it inside the user namespace that the network one
// belongs to (where his user id is called 0: bubblewrap maps it so), and only a process with one thread may enter one of those: so this program finds the
// way, becomes nsenter, and nsenter becomes this program again.
//
// One thread, one loop, no promise: what the agent does not read stays in the interface's own short queue, and the kernel drops what is too much. The
// interface ends with this process, and this process with the agent's end of the socket.
const [program, netns, address, mask, mtu, device, user, entered] = Deno.args
const { symbols: libc } = Deno.dlopen('libc.so.6', {
  open: { parameters: ['buffer', 'i32'], result: 'i32' }, close: { parameters: ['i32'], result: 'i32' }, read: { parameters: ['i32', 'buffer', 'usize'], result: 'isize' }, write: { parameters: ['i32', 'buffer', 'usize'], result: 'isize' },
  ioctl: { parameters: ['i32', 'u64', 'buffer'], result: 'i32' }, fcntl: { parameters: ['i32', 'i32', 'i32'], result: 'i32' }, poll: { parameters: ['buffer', 'u64', 'i32'], result: 'i32' },
  socket: { parameters: ['i32', 'i32', 'i32'], result: 'i32' }, setns: { parameters: ['i32', 'i32'], result: 'i32' },
  execvp: { parameters: ['buffer', 'buffer'], result: 'i32' }, capset: { parameters: ['buffer', 'buffer'], result: 'i32' },
  geteuid: { parameters: [], result: 'u32' }, setgroups: { parameters: ['usize', 'pointer'], result: 'i32' }, setresgid: { parameters: ['u32', 'u32', 'u32'], result: 'i32' }, setresuid: { parameters: ['u32', 'u32', 'u32'], result: 'i32' },
  prctl: { parameters: ['i32', 'u64', 'u64', 'u64', 'u64'], result: 'i32' }, _exit: { parameters: ['i32'], result: 'void' }, __errno_location: { parameters: [], result: 'pointer' },
})
const SOCKET = 3, MAX = 65_535, ROOM = 8 * (MAX + 4)
const O_RDWR = 2, O_CLOEXEC = 0o2000000, O_NONBLOCK = 0o4000, F_SETFL = 4, F_SETFD = 2, FD_CLOEXEC = 1, POLLIN = 1, POLLOUT = 4, POLLBAD = 0x38
const CLONE_NEWNET = 0x40000000, NS_GET_USERNS = 0xb701, AF_INET = 2, SOCK_DGRAM = 2
const TUNSETIFF = 0x400454ca, IFF_TUN = 1, IFF_NO_PI = 0x1000, SIOCSIFADDR = 0x8916, SIOCSIFNETMASK = 0x891c, SIOCSIFMTU = 0x8922, SIOCSIFTXQLEN = 0x8943, SIOCGIFFLAGS = 0x8913, SIOCSIFFLAGS = 0x8914, IFF_UP = 1
/** Packets that wait in the kernel for this process; each may be as large as the MTU. */
const QUEUE = 256
const NAME = 'mesh0'
const FLAGS = ['--no-prompt', '--no-remote', '--no-npm', '--cached-only', '--no-config', '--no-lock', '--quiet', '--allow-ffi']

const asText = (text) => new TextEncoder().encode(`${text}\0`)
// What failed, and why, goes to descriptor 2; the agent puts it into its own refusal.
function must(what, value) {
  if (value >= 0) return value
  const errno = new Deno.UnsafePointerView(libc.__errno_location()).getInt32()
  const line = new TextEncoder().encode(`${what}: errno ${errno}\n`)
  libc.write(2, line, BigInt(line.length))
  libc._exit(1)
}
function request(size = 40) {
  const bytes = new Uint8Array(size)
  bytes.set(new TextEncoder().encode(NAME))
  return { bytes, view: new DataView(bytes.buffer) }
}
function withAddress(text) {
  const { bytes, view } = request()
  view.setUint16(16, AF_INET, true)
  bytes.set(text.split('.').map(Number), 20)
  return bytes
}
function withNumber(number) { const { bytes, view } = request(); view.setInt32(16, number, true); return bytes }

/** In the namespace already. Another process's interface is not taken over: the name is new in a new namespace, or this fails. */
function makeInterface() {
  const tun = must(`open ${device}`, libc.open(asText(device), O_RDWR | O_CLOEXEC | O_NONBLOCK))
  const { bytes, view } = request()
  view.setUint16(16, IFF_TUN | IFF_NO_PI, true)
  must('make the interface', libc.ioctl(tun, BigInt(TUNSETIFF), bytes))
  const control = must('socket', libc.socket(AF_INET, SOCK_DGRAM | O_CLOEXEC, 0))
  const set = (what, call, value) => must(what, libc.ioctl(control, BigInt(call), value))
  set('address', SIOCSIFADDR, withAddress(address))
  set('netmask', SIOCSIFNETMASK, withAddress(mask))
  set('mtu', SIOCSIFMTU, withNumber(Number(mtu)))
  libc.ioctl(control, BigInt(SIOCSIFTXQLEN), withNumber(QUEUE)) // root's only; else the kernel's own 500
  const flags = request()
  set('flags', SIOCGIFFLAGS, flags.bytes)
  flags.view.setInt16(16, flags.view.getInt16(16, true) | IFF_UP, true)
  set('up', SIOCSIFFLAGS, flags.bytes)
  libc.close(control)
  return tun
}

function enter() {
  const net = must('open the network namespace', libc.open(asText(netns), 0))
  if (entered === 'entered') { libc.close(net); return }
  if (libc.geteuid() === 0) { must('enter the network namespace', libc.setns(net, CLONE_NEWNET)); libc.close(net); return }
  const own = must('find its user namespace', libc.ioctl(net, BigInt(NS_GET_USERNS), null))
  libc.fcntl(own, F_SETFD, 0)
  const words = ['nsenter', '--preserve-credentials', `--user=/proc/self/fd/${own}`, `--net=/proc/self/fd/${net}`, '--', Deno.execPath(), 'run', ...FLAGS, program, program, netns, address, mask, mtu, device, user, 'entered'].map(asText)
  const list = new BigUint64Array(words.length + 1)
  words.forEach((word, i) => { list[i] = BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(word))) })
  must('run nsenter (util-linux)', libc.execvp(words[0], new Uint8Array(list.buffer)))
}
/** From here on nothing needs a right, and this process has the job's packets. */
function leaveRights() {
  if (entered === 'entered') { must('capset', libc.capset(new Uint8Array(new Uint32Array([0x20080522, 0]).buffer), new Uint8Array(24))); return }
  must('groups', libc.setgroups(0n, null))
  must('group', libc.setresgid(Number(user), Number(user), Number(user)))
  must('user', libc.setresuid(Number(user), Number(user), Number(user)))
}

libc.prctl(38 /* PR_SET_NO_NEW_PRIVS */, 1n, 0n, 0n, 0n)
enter()
const tun = makeInterface()
leaveRights()
libc.prctl(4 /* PR_SET_DUMPABLE */, 0n, 0n, 0n, 0n)
libc.fcntl(SOCKET, F_SETFL, O_RDWR | O_NONBLOCK)
libc.fcntl(SOCKET, F_SETFD, FD_CLOEXEC)
libc.fcntl(tun, F_SETFL, O_RDWR | O_NONBLOCK)

const out = new Uint8Array(ROOM), outView = new DataView(out.buffer)
let outFrom = 0, outTo = 4 // the empty frame: up
const into = new Uint8Array(ROOM), inView = new DataView(into.buffer)
let inTo = 0
const fds = new Uint8Array(16), fdsView = new DataView(fds.buffer)
fdsView.setInt32(0, SOCKET, true)
fdsView.setInt32(8, tun, true)

function flush() {
  if (outFrom === outTo) return
  const n = Number(libc.write(SOCKET, out.subarray(outFrom, outTo), BigInt(outTo - outFrom)))
  if (n > 0) outFrom += n
  if (outFrom === outTo) outFrom = outTo = 0
}
function takePackets() {
  while (outTo + 4 + MAX <= ROOM) {
    const n = Number(libc.read(tun, out.subarray(outTo + 4, outTo + 4 + MAX), BigInt(MAX)))
    if (n <= 0) break
    outView.setUint32(outTo, n, true)
    outTo += 4 + n
  }
  flush()
}
function givePackets() {
  const n = Number(libc.read(SOCKET, into.subarray(inTo), BigInt(ROOM - inTo)))
  if (n === 0) libc._exit(0)
  if (n < 0) return
  inTo += n
  let from = 0
  while (inTo - from >= 4) {
    const size = inView.getUint32(from, true)
    if (size > MAX) libc._exit(2)
    if (inTo - from < 4 + size) break
    if (size > 0) libc.write(tun, into.subarray(from + 4, from + 4 + size), BigInt(size)) // what the kernel does not take is lost, as on any wire
    from += 4 + size
  }
  into.copyWithin(0, from, inTo)
  inTo -= from
}
flush()
for (;;) {
  const waiting = outFrom < outTo
  fdsView.setInt16(4, POLLIN | (waiting ? POLLOUT : 0), true)
  fdsView.setInt16(12, waiting ? 0 : POLLIN, true)
  libc.poll(fds, 2n, -1)
  const socketSays = fdsView.getInt16(6, true), tunSays = fdsView.getInt16(14, true)
  if (socketSays & POLLIN) givePackets()
  else if (socketSays & POLLBAD) libc._exit(0)
  if (tunSays & POLLBAD) libc._exit(3)
  if (socketSays & POLLOUT) flush()
  if (outFrom === outTo && tunSays & POLLIN) takePackets()
}
