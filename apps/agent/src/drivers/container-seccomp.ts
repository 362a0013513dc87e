// The system calls that a container may not make, as the profile that engines take: the same refusals as seccomp.ts, by name instead of by number,
// because runc and crun assemble the filter themselves. Engines' own profiles are looser: podman 4.3 lets a job make user namespaces, keys and
// trace, and no engine refuses AF_VSOCK, which an empty network namespace does not cover.
const DENIED = [
  'ptrace', 'process_vm_readv', 'process_vm_writev', 'unshare', 'setns', 'mount', 'umount', 'umount2', 'pivot_root', 'chroot', 'keyctl', 'add_key', 'request_key', 'bpf', 'perf_event_open', 'userfaultfd',
  'io_uring_setup', 'io_uring_enter', 'io_uring_register', 'init_module', 'finit_module', 'delete_module', 'kexec_load', 'kexec_file_load', 'reboot', 'swapon', 'swapoff', 'open_by_handle_at',
  'name_to_handle_at', 'acct', 'quotactl', 'quotactl_fd', 'settimeofday', 'clock_settime', 'adjtimex', 'clock_adjtime', 'syslog', 'fanotify_init', 'lookup_dcookie', 'move_mount', 'open_tree', 'fsopen',
  'fsconfig', 'fsmount', 'fspick', 'mount_setattr', 'pidfd_getfd', 'kcmp', 'personality', 'vhangup', 'nfsservctl', 'memfd_secret', 'migrate_pages', 'move_pages', 'iopl', 'ioperm', 'modify_ldt',
]
// CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET (linux/sched.h): one rule for each, since a rule knows no "any of these bits".
const NAMESPACES = [0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000]
const AF_UNIX = 1, AF_INET = 2, AF_NETLINK = 16, AF_NEWER = 46, SOCK_STREAM = 1, SOCK_DGRAM = 2, SOCK_TYPES = 0xf, NETLINK_ROUTE = 0, IPPROTO_TCP = 6, IPPROTO_UDP = 17, EPERM = 1, ENOSYS = 38, EAFNOSUPPORT = 97
/** The kernel looks at the lower half of an ioctl's number only; so does the rule. */
const LOWER = 0xffffffff, TIOCSTI = 0x5412, TIOCLINUX = 0x541c
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'SCMP_ARCH_X86_64', arm64: 'SCMP_ARCH_AARCH64' }

type Rule = { readonly names: readonly string[]; readonly action: 'SCMP_ACT_ERRNO'; readonly errnoRet: number; readonly args?: readonly { readonly index: number; readonly value: number; readonly valueTwo?: number; readonly op: 'SCMP_CMP_NE' | 'SCMP_CMP_EQ' | 'SCMP_CMP_GE' | 'SCMP_CMP_MASKED_EQ' }[] }
const refuse = (names: readonly string[], errnoRet: number, args?: Rule['args']): Rule => ({ names, action: 'SCMP_ACT_ERRNO', errnoRet, ...(args ? { args } : {}) })

/** Everything but TCP and UDP over IPv4, and the kernel's list of interfaces, as in seccomp.ts. One rule for each number, since a rule looks at an argument once. */
function networkRules(): Rule[] {
  const upTo = (end: number, ...open: number[]): number[] => Array.from({ length: end }, (_, number) => number).filter((number) => !open.includes(number))
  const socket = (...args: NonNullable<Rule['args']>): Rule => refuse(['socket'], EAFNOSUPPORT, args)
  const family = (value: number) => ({ index: 0, value, op: 'SCMP_CMP_EQ' as const })
  return [
    ...upTo(AF_NEWER, AF_UNIX, AF_INET, AF_NETLINK).map((value) => socket(family(value))), socket({ index: 0, value: AF_NEWER, op: 'SCMP_CMP_GE' }),
    ...upTo(SOCK_TYPES + 1, SOCK_STREAM, SOCK_DGRAM).map((value) => socket(family(AF_INET), { index: 1, value: SOCK_TYPES, valueTwo: value, op: 'SCMP_CMP_MASKED_EQ' })),
    ...upTo(IPPROTO_UDP, 0, IPPROTO_TCP).map((value) => socket(family(AF_INET), { index: 2, value, op: 'SCMP_CMP_EQ' })), socket(family(AF_INET), { index: 2, value: IPPROTO_UDP + 1, op: 'SCMP_CMP_GE' }),
    socket(family(AF_NETLINK), { index: 2, value: NETLINK_ROUTE + 1, op: 'SCMP_CMP_GE' }),
    refuse(['socketpair'], EAFNOSUPPORT, [{ index: 0, value: AF_UNIX, op: 'SCMP_CMP_NE' }]),
  ]
}

/** Null on a machine whose second tables of calls (32 bits, x32) would not be shut: only the named one is open. */
export function containerSeccomp(architecture: string = process.arch, { network = false }: { readonly network?: boolean } = {}): object | null {
  const own = ARCHITECTURES[architecture]
  if (own === undefined) return null
  return {
    defaultAction: 'SCMP_ACT_ALLOW', architectures: [own],
    syscalls: [
      refuse(DENIED, EPERM), refuse(['clone3'], ENOSYS), // as in seccomp.ts: its flags lie in memory
      ...NAMESPACES.map((flag) => refuse(['clone'], EPERM, [{ index: 0, value: flag, valueTwo: flag, op: 'SCMP_CMP_MASKED_EQ' }])),
      ...(network ? networkRules() : [refuse(['socket', 'socketpair'], EAFNOSUPPORT, [{ index: 0, value: AF_UNIX, op: 'SCMP_CMP_NE' }])]),
      ...[TIOCSTI, TIOCLINUX].map((request) => refuse(['ioctl'], EPERM, [{ index: 1, value: LOWER, valueTwo: request, op: 'SCMP_CMP_MASKED_EQ' }])),
    ],
  }
}
