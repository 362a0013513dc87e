# Process 1 of the machine that a job runs in. It speaks over one line (a virtio serial port, or a socket where there is none) with the agent of the node, starts one program as nobody,
# passes its output on, and at the end gives its files out. Outside, nothing that is said here is believed: the machine belongs to the job.
#
# A frame is: a letter, the length of what follows (4 bytes, little-endian), what follows. Told to us:
#   W  64 bytes of chance and the time (seconds, double): always first, because what woke may be one of many copies of one machine
#   S  the order: argv, env, limits (JSON)         I  standard input      i  its end
#   A  how much of the output was taken, all in all (8 bytes)              K  end the program
#   P  answer, and hold the output until V: this is another place now, counting begins anew
# Told by us:
#   R  ready      O, E  output and errors      N  the program could not be started (errno, words)      X  its end (code, memory, JSON)
#   F  a file: size (8 bytes) and path      D  a piece of it      T  too many names      Z  that was all      p  answer to P
import ctypes, errno, fcntl, gc, glob, json, mmap, os, resource, select, signal, socket, stat, struct, time, traceback

PORT, DISK, WORK, JOB = '/dev/vport*p1', '/dev/vdb', '/work', '/sys/fs/cgroup/job'
NOBODY = 65534
DOOR_PORT, DOOR_DEVICE, HOST = 1024, '/sys/bus/virtio/drivers/vmw_vsock_virtio_transport/virtio*', 2
WINDOW = 256 * 1024      # of output that may be under way: a slow reader slows the program down
PIECE = 32 * 1024
ENTRIES_MAX = 100_000
RNDADDENTROPY, RNDRESEEDCRNG, BLKFLSBUF = 0x40085203, 0x5207, 0x1261
PR_SET_NO_NEW_PRIVS = 38
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_NOATIME = 2, 4, 8, 1024
libc = ctypes.CDLL(None, use_errno=True)


def mount(source, target, kind, flags=0, options=''):
    if libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode()) != 0:
        raise OSError(ctypes.get_errno(), f'{target} could not be mounted')


def write_to(path, text):
    with open(path, 'w') as file: file.write(text)


def read_of(path):
    with open(path) as file: return file.read()


class Line:
    """The serial port, or whom the outside has let in last. Writing waits until the host has taken it; reading never waits."""
    def __init__(self):
        self.rest, self.door = bytearray(), None
        while not glob.glob(PORT):
            self.door = open_door()
            if self.door: break
            time.sleep(0.01)
        self.fd = self.door.fileno() if self.door else os.open(glob.glob(PORT)[0], os.O_RDWR)

    def let_in(self):
        """Who knocks from outside; a program in here may not speak for the host."""
        caller, (cid, _port) = self.door.accept()
        if cid != HOST: caller.close()
        else: self.fd, self.rest = caller.detach(), bytearray()

    def hang_up(self):
        os.close(self.fd)
        self.fd = self.door.fileno()

    def say(self, letter, payload=b''):
        while self.door and self.fd == self.door.fileno(): self.let_in()
        data = memoryview(letter + struct.pack('<I', len(payload)) + payload)
        while data: data = data[os.write(self.fd, data):]

    def frames(self):
        """What has arrived; called when there is something."""
        if self.door and self.fd == self.door.fileno(): return self.let_in()
        try: data = os.read(self.fd, 256 * 1024)
        except BlockingIOError: data = b''
        except ConnectionError:
            if not self.door: raise
            data = b''
        if not data and self.door: return self.hang_up() # taken elsewhere: whoever goes on with it calls again
        if not data: time.sleep(0.01) # nobody holds the other end at the moment
        self.rest += data
        while len(self.rest) >= 5:
            size = struct.unpack_from('<I', self.rest, 1)[0]
            if len(self.rest) < 5 + size: return
            frame = bytes(self.rest[:1]), bytes(self.rest[5:5 + size])
            del self.rest[:5 + size]
            yield frame


def open_door():
    """The socket to the outside, when its device is there."""
    if not glob.glob(DOOR_DEVICE): return None
    door = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
    door.bind((socket.VMADDR_CID_ANY, DOOR_PORT))
    door.listen(4)
    return door


def wake(payload, random):
    chance, (now,) = payload[:64], struct.unpack('<d', payload[64:72])
    fcntl.ioctl(random, RNDADDENTROPY, struct.pack('ii', len(chance) * 8, len(chance)) + chance)
    fcntl.ioctl(random, RNDRESEEDCRNG)
    time.clock_settime(time.CLOCK_REALTIME, now)


def set_up():
    os.umask(0o022)
    mount('proc', '/proc', 'proc', MS_NOSUID | MS_NODEV | MS_NOEXEC, 'hidepid=2')
    mount('sys', '/sys', 'sysfs', MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount('cgroup', '/sys/fs/cgroup', 'cgroup2', MS_NOSUID | MS_NODEV | MS_NOEXEC)
    write_to('/sys/fs/cgroup/cgroup.subtree_control', '+memory +pids')
    os.mkdir(JOB)
    os.mkdir('/dev/shm')
    for path, size in (('/tmp', '64m'), ('/dev/shm', '16m')): mount('tmpfs', path, 'tmpfs', MS_NOSUID | MS_NODEV, f'mode=1777,size={size}')
    for name, to in (('fd', '/proc/self/fd'), ('stdin', '/proc/self/fd/0'), ('stdout', '/proc/self/fd/1'), ('stderr', '/proc/self/fd/2')): os.symlink(to, '/dev/' + name)
    libc.sethostname(b'job', 3)
    write_to('/proc/sys/kernel/dmesg_restrict', '1')
    write_to('/proc/sys/kernel/kptr_restrict', '2')
    write_to('/proc/sys/kernel/unprivileged_bpf_disabled', '1')
    os.system('/bin/busybox ip link set lo up')


def slim_down():
    """Free pages that are empty need not be kept in the template: dirty ones are taken once, which empties them."""
    gc.collect(); gc.freeze()
    write_to('/proc/sys/vm/drop_caches', '3')
    # What nearly every job reads first is left in the cache.
    for argv in (['/bin/sh', '-c', ':'], ['/usr/bin/python3', '-c', 'pass']): os.waitpid(os.posix_spawn(argv[0], argv, {}), 0)
    free = int(read_of('/proc/meminfo').split('MemFree:')[1].split()[0]) * 1024
    size = min(free - max(16 << 20, free // 16), 512 << 20)
    if size > 0:
        with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as space:
            for at in range(0, size, 4096): space[at] = 0


class Job:
    def __init__(self, line, order):
        self.line, self.order = line, order
        self.sent = self.taken = 0
        self.held = False
        self.input, self.input_ended = bytearray(), False
        fd = os.open(DISK, os.O_RDONLY)
        fcntl.ioctl(fd, BLKFLSBUF) # the machine was made with another disk in this place
        os.close(fd)
        mount(DISK, WORK, 'ext4', MS_NOSUID | MS_NODEV | MS_NOATIME)
        try: os.rmdir(WORK + '/lost+found')
        except OSError: pass
        write_to(JOB + '/memory.max', str(order['memoryBytes']))
        write_to(JOB + '/pids.max', str(order['pids']))
        self.failed, tell = os.pipe()
        self.stdin = self.out = self.err = None
        given = os.pipe(), os.pipe(), os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try: self.become([given[0][0], given[1][1], given[2][1]], tell)
            finally: os._exit(127)
        for fd in (tell, given[0][0], given[1][1], given[2][1]): os.close(fd)
        self.stdin, self.out, self.err = given[0][1], given[1][0], given[2][0]
        os.set_blocking(self.stdin, False)
        self.status = None

    def become(self, fds, tell):
        try:
            write_to(JOB + '/cgroup.procs', '0')
            os.setsid()
            for at, fd in enumerate(fds): os.dup2(fd, at)
            for sig in (signal.SIGCHLD, signal.SIGPIPE): signal.signal(sig, signal.SIG_DFL)
            signal.set_wakeup_fd(-1)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.order['openFiles'],) * 2)
            libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            if self.order['cpus'] < os.cpu_count(): os.sched_setaffinity(0, range(self.order['cpus']))
            os.setgroups([]); os.setresgid(NOBODY, NOBODY, NOBODY); os.setresuid(NOBODY, NOBODY, NOBODY)
            os.chdir(WORK)
            argv = [os.fsencode(word) for word in self.order['argv']]
            env = {os.fsencode(name): os.fsencode(value) for name, value in self.order['env'].items()}
            os.execvpe(argv[0], argv, env)
        except OSError as error:
            os.write(tell, json.dumps({'errno': errno.errorcode.get(error.errno, ''), 'says': error.strerror or ''}).encode()[:500])
        except BaseException as error:
            os.write(tell, json.dumps({'errno': '', 'says': repr(error)}).encode()[:500])

    def hear(self, letter, payload):
        if letter == b'I': self.input += payload
        elif letter == b'i': self.input_ended = True
        elif letter == b'A': self.taken = struct.unpack('<Q', payload)[0]
        elif letter == b'K': self.end()
        elif letter == b'P': self.held = True; self.line.say(b'p')
        elif letter == b'V': self.held = False; self.sent = self.taken = 0

    def end(self):
        try: write_to(JOB + '/cgroup.kill', '1')
        except OSError: os.kill(self.pid, signal.SIGKILL)

    def feed(self):
        try:
            while self.input: del self.input[:os.write(self.stdin, self.input[:65536])]
        except BlockingIOError: return
        except OSError: self.input.clear(); self.input_ended = True
        if self.input_ended: os.close(self.stdin); self.stdin = None

    def pass_on(self, fd, letter):
        data = os.read(fd, PIECE)
        if data: self.sent += len(data); self.line.say(letter, data)
        return bool(data)

    def close(self, name): os.close(getattr(self, name)); setattr(self, name, None)


def reap(job):
    while True:
        try: pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError: return
        if pid == 0: return
        if pid == job.pid: job.status = status


def run(line, job, woken):
    poll = select.poll
    while job.status is None or job.held:
        waiting = poll()
        waiting.register(line.fd, select.POLLIN)
        waiting.register(woken, select.POLLIN)
        if job.stdin is not None and (job.input or job.input_ended): waiting.register(job.stdin, select.POLLOUT)
        if job.sent - job.taken < WINDOW and not job.held:
            for fd in (job.out, job.err):
                if fd is not None: waiting.register(fd, select.POLLIN)
        for fd, _event in waiting.poll():
            if fd == line.fd: hear(line, job)
            elif fd == woken: os.read(woken, 4096); reap(job)
            elif fd == job.stdin: job.feed()
            elif fd == job.out:
                if not job.pass_on(fd, b'O'): job.close('out')
            elif fd == job.err:
                if not job.pass_on(fd, b'E'): job.close('err')
    # The program has ended; what it started ends now, and what is left in the pipes is not much.
    job.end()
    while int(read_of(JOB + '/pids.current')) > 0: reap(job); time.sleep(0.002)
    for fd, letter in ((job.out, b'O'), (job.err, b'E')):
        if fd is not None:
            while job.pass_on(fd, letter): pass


def hear(line, job):
    for letter, payload in line.frames():
        if letter == b'W': wake(payload, job.random) # taken elsewhere meanwhile
        else: job.hear(letter, payload)


def give(line):
    """Plain files with one name, as the agent of the node takes them out of any other sandbox."""
    seen = 0
    def walk(dir):
        nonlocal seen
        try: entries = sorted(os.scandir(dir), key=lambda entry: entry.name)
        except OSError: return True
        for entry in entries:
            seen += 1
            if seen > ENTRIES_MAX: return False
            told = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(told.st_mode):
                if not walk(entry.path): return False
            elif stat.S_ISREG(told.st_mode) and told.st_nlink == 1: give_one(line, entry.path, told.st_size)
        return True
    line.say(b'Z' if walk(os.fsencode(WORK)) else b'T')


def give_one(line, path, size):
    line.say(b'F', struct.pack('<Q', size) + path[len(WORK) + 1:])
    with open(path, 'rb', buffering=0) as file:
        while size > 0:
            data = file.read(min(size, 64 * 1024))
            if not data: data = bytes(min(size, 64 * 1024))
            size -= len(data)
            line.say(b'D', data)


def main():
    set_up()
    line = Line()
    random = os.open('/dev/urandom', os.O_RDWR)
    awake, woken = os.pipe()
    os.set_blocking(woken, False); os.set_blocking(awake, False)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    slim_down()
    line.say(b'R')
    job, later = None, []
    while job is None:
        waiting = select.poll(); waiting.register(line.fd, select.POLLIN); waiting.poll()
        for letter, payload in line.frames():
            if letter == b'W': wake(payload, random)
            elif letter == b'S' and job is None:
                job = Job(line, json.loads(payload)); job.random = random
            else: later.append((letter, payload)) # standard input may come first
    for letter, payload in later: job.hear(letter, payload)
    run(line, job, awake)
    said = b''
    while True:
        piece = os.read(job.failed, 1000)
        if not piece: break
        said += piece
    if said: line.say(b'N', said)
    events = dict(text.split() for text in read_of(JOB + '/memory.events').splitlines())
    code = os.waitstatus_to_exitcode(job.status)
    line.say(b'X', json.dumps({'code': code if code >= 0 else 128 - code, 'starved': int(events.get('oom_kill', 0)) > 0}).encode())
    give(line)


try: main()
except BaseException:
    try: write_to('/dev/ttyS0', traceback.format_exc())
    except OSError: pass
    os.system('/bin/busybox poweroff -f')
while True: signal.pause()
