// A system-call filter for bubblewrap, assembled here: no npm library for libseccomp works today. Classic BPF over struct seccomp_data (nr at 0,
// arch at 4, arguments from 16): wrong architecture → kill; a call newer than this file → ENOSYS, as on an older kernel; a call on the list → EPERM;
// some calls by argument; everything else is allowed.
// The list refuses what widens the kernel's surface (namespaces, mounts, keys, bpf, io_uring, tracing, modules) and every family of sockets but
// AF_UNIX: the empty network namespace does not cover AF_VSOCK. A rank of a gang may have TCP and UDP over IPv4 besides, and the kernel's list of its
// interfaces (AF_NETLINK with protocol 0), which programs look at before they listen.

const LOAD = 0x20, AND = 0x54, JEQ = 0x15, JSET = 0x45, JGE = 0x35, RET = 0x06
const ALLOW = 0x7fff0000, KILL = 0x80000000, ERRNO = 0x00050000
const EPERM = 1, ENOSYS = 38, EAFNOSUPPORT = 97
const AF_UNIX = 1, AF_INET = 2, AF_NETLINK = 16, NETLINK_ROUTE = 0
const SOCK_STREAM = 1, SOCK_DGRAM = 2, SOCK_RAW = 3, SOCK_TYPES = 0xf, IPPROTO_TCP = 6, IPPROTO_UDP = 17
const NETWORK = [[AF_INET, SOCK_STREAM, 0], [AF_INET, SOCK_STREAM, IPPROTO_TCP], [AF_INET, SOCK_DGRAM, 0], [AF_INET, SOCK_DGRAM, IPPROTO_UDP], [AF_NETLINK, SOCK_RAW, NETLINK_ROUTE], [AF_NETLINK, SOCK_DGRAM, NETLINK_ROUTE]] as const
const TIOCSTI = 0x5412, TIOCLINUX = 0x541c
// CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET and NEWTIME (linux/sched.h).
const CLONE_NEW = 0x7e020080
/** Linux 6.10's mseal; both tables are one from 424 on. What comes after it was not looked at. Also shuts x86-64's second table, x32 (from 0x40000000). */
const NEWEST = 462

type Numbers = { readonly arch: number; readonly denied: readonly number[]; readonly clone: number; readonly clone3: number; readonly socket: number; readonly socketpair: number; readonly ioctl: number }
// Numbers of asm/unistd_64.h (x86-64) and asm-generic/unistd.h (arm64), in this order: ptrace, process_vm_readv, process_vm_writev, unshare, setns,
// mount, umount2, pivot_root, chroot, keyctl, add_key, request_key, bpf, perf_event_open, userfaultfd, io_uring_setup, io_uring_enter,
// io_uring_register, init_module, finit_module, delete_module, kexec_load, kexec_file_load, reboot, swapon, swapoff, open_by_handle_at,
// name_to_handle_at, acct, quotactl, settimeofday, clock_settime, adjtimex, clock_adjtime, syslog, fanotify_init, lookup_dcookie, move_mount,
// open_tree, fsopen, fsconfig, fsmount, fspick, mount_setattr, pidfd_getfd, kcmp, personality, vhangup, nfsservctl, memfd_secret, quotactl_fd, migrate_pages, move_pages; and only x86-64 has
// iopl, ioperm and modify_ldt.
const X86_64: Numbers = {
  arch: 0xc000003e, clone: 56, clone3: 435, socket: 41, socketpair: 53, ioctl: 16,
  denied: [101, 310, 311, 272, 308, 165, 166, 155, 161, 250, 248, 249, 321, 298, 323, 425, 426, 427, 175, 313, 176, 246, 320, 169, 167, 168, 304, 303, 163, 179, 164, 227, 159, 305, 103, 300, 212, 429, 428, 430, 431, 432, 433, 442, 438, 312, 135, 153, 180, 447, 443, 256, 279, 172, 173, 154],
}
const ARM64: Numbers = {
  arch: 0xc00000b7, clone: 220, clone3: 435, socket: 198, socketpair: 199, ioctl: 29,
  denied: [117, 270, 271, 97, 268, 40, 39, 41, 51, 219, 217, 218, 280, 241, 282, 425, 426, 427, 105, 273, 106, 104, 294, 142, 224, 225, 265, 264, 89, 60, 170, 112, 171, 266, 116, 262, 18, 429, 428, 430, 431, 432, 433, 442, 438, 272, 92, 58, 42, 447, 443, 238, 239],
}

/** The filter as bytes for `bwrap --seccomp FD`; null on a machine whose numbers are not known here. */
export function seccompFilter(architecture: string = process.arch, { network = false }: { readonly network?: boolean } = {}): Buffer | null {
  const numbers = architecture === 'x64' ? X86_64 : architecture === 'arm64' ? ARM64 : null
  if (!numbers) return null
  const program: { code: number; jt: number; jf: number; k: number }[] = []
  const put = (code: number, k: number, jt = 0, jf = 0): void => { program.push({ code, jt, jf, k }) }
  const refuse = (errno: number): void => put(RET, ERRNO | errno)
  put(LOAD, 4)
  put(JEQ, numbers.arch, 1, 0)
  put(RET, KILL)
  put(LOAD, 0)
  put(JGE, NEWEST + 1, 0, 1); refuse(ENOSYS)
  for (const call of numbers.denied) { put(JEQ, call, 0, 1); refuse(EPERM) }
  put(JEQ, numbers.clone3, 0, 1); refuse(ENOSYS) // its flags lie in memory that a filter cannot see; libc falls back to clone
  // clone(flags, …): no new namespaces. On both machines flags are the first argument.
  put(JEQ, numbers.clone, 0, 4); put(LOAD, 16); put(JSET, CLONE_NEW, 0, 1); refuse(EPERM); put(RET, ALLOW)
  // socket(family, type, protocol): what fits is allowed; else the number is loaded again for what follows.
  for (const [family, type, protocol] of network ? NETWORK : []) {
    put(JEQ, numbers.socket, 0, 9); put(LOAD, 16); put(JEQ, family, 0, 6); put(LOAD, 24); put(AND, SOCK_TYPES); put(JEQ, type, 0, 3); put(LOAD, 32); put(JEQ, protocol, 0, 1); put(RET, ALLOW); put(LOAD, 0)
  }
  for (const call of [numbers.socket, numbers.socketpair]) { put(JEQ, call, 0, 4); put(LOAD, 16); put(JEQ, AF_UNIX, 1, 0); refuse(EAFNOSUPPORT); put(RET, ALLOW) }
  put(JEQ, numbers.ioctl, 0, 5); put(LOAD, 24); put(JEQ, TIOCSTI, 1, 0); put(JEQ, TIOCLINUX, 0, 1); refuse(EPERM); put(RET, ALLOW)
  put(RET, ALLOW)
  const bytes = Buffer.alloc(program.length * 8)
  program.forEach(({ code, jt, jf, k }, i) => { bytes.writeUInt16LE(code, i * 8); bytes.writeUInt8(jt, i * 8 + 2); bytes.writeUInt8(jf, i * 8 + 3); bytes.writeUInt32LE(k >>> 0, i * 8 + 4) })
  return bytes
}
