// Runs a Python program in Pyodide, inside Deno. Not part of the agent: it is what the sandbox starts.
//   deno run … python.mjs PYODIDE_DIR SNAPSHOT|'' WORK_DIR main.py arguments…
//   deno run … python.mjs PYODIDE_DIR SNAPSHOT|'' WORK_DIR --wait        the same words come on standard input, when there is a job
//   deno run … python.mjs PYODIDE_DIR --make-snapshot FILE
const [home, snapshot, work, ...told] = Deno.args
const { loadPyodide } = await import(`file://${home}/pyodide.mjs`)
const options = { indexURL: `${home}/`, packageCacheDir: '/nonexistent', fullStdLib: false }

if (snapshot === '--make-snapshot') {
  const python = await loadPyodide({ ...options, _makeSnapshot: true })
  Deno.writeFileSync(work, python.makeMemorySnapshot())
  Deno.exit(0)
}

const writer = (to) => ({ write(bytes) { for (let at = 0; at < bytes.length;) at += to.writeSync(bytes.subarray(at)); return bytes.length }, isatty: false })
const python = await loadPyodide({ ...options, ...(snapshot ? { _loadSnapshot: await Deno.readFile(snapshot) } : {}) })
python.setStdout(writer(Deno.stdout))
python.setStderr(writer(Deno.stderr))
python.setStdin({ read(bytes) { return Deno.stdin.readSync(bytes) ?? 0 }, isatty: false })
python.FS.mkdirTree('/work')
python.mountNodeFS('/work', work)
/** Says that it is ready, and waits for the one order that it will ever have. What comes after it on standard input is the job's. */
function waitForOrder() {
  const read = (size) => {
    const bytes = new Uint8Array(size)
    // Nobody will come any more.
    for (let at = 0; at < size;) { const count = Deno.stdin.readSync(bytes.subarray(at)); if (count === null) Deno.exit(0); at += count }
    return new TextDecoder().decode(bytes)
  }
  python.runPython('import io, os, sys, runpy, traceback, random')
  Deno.stdout.writeSync(new TextEncoder().encode('ready\n'))
  return JSON.parse(read(Number(read(10))))
}
const { words: argv, env } = told[0] === '--wait' ? waitForOrder() : { words: told, env: JSON.parse(Deno.env.get('LUMARIS_ENV')) }
python.globals.set('__argv', python.toPy(argv))
python.globals.set('__env', python.toPy(env))
// Requests of Python are Deno's: it looks for the way out in its own variables.
for (const [name, value] of Object.entries(env)) if (/^(https?|all|no)_proxy$/i.test(name)) Deno.env.set(name, value)
// A restored memory carries the randomness of the day it was made: Python's own generator is seeded afresh before the program sees it. Output goes out as
// it is written, as with `python -u`: a job's log is followed while it runs.
python.runPython(`
def __run():
    import io, os, sys, runpy, traceback, random
    random.seed()
    os.environ.clear()
    os.environ.update({name: value for name, value in __env.items()})
    os.chdir('/work')
    sys.stdout, sys.stderr = (io.TextIOWrapper(open(fd, 'wb', buffering=0, closefd=False), encoding='utf-8', errors=errors, write_through=True) for fd, errors in ((1, 'strict'), (2, 'backslashreplace')))
    args = list(__argv)
    for name in ('__argv', '__env', '__run'):
        del globals()[name]
    while args and args[0] in ('-u', '-B', '-E', '-s', '-I'):
        args.pop(0)
    if not args or (args[0] in ('-c', '-m') and len(args) < 2):
        print('python: no program was named', file=sys.stderr)
        return 2
    how, code = args[0], 0
    try:
        if how == '-c':
            sys.argv = ['-c'] + args[2:]
            sys.path.insert(0, '')
            exec(compile(args[1], '<string>', 'exec'), sys.modules['__main__'].__dict__)
        elif how == '-m':
            sys.argv = args[1:]
            sys.path.insert(0, '/work')
            runpy.run_module(args[1], run_name='__main__', alter_sys=True)
        else:
            if not os.path.exists(how):
                print(f"python: can't open file '{how}': no such file", file=sys.stderr)
                return 2
            sys.argv = args
            sys.path.insert(0, os.path.dirname(os.path.abspath(how)))
            runpy.run_path(how, run_name='__main__')
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            code = (end.code or 0) & 255
        else:
            print(end.code, file=sys.stderr)
            code = 1
    except BaseException:
        kind, error, trace = sys.exc_info()
        while trace is not None and ('runpy' in trace.tb_frame.f_code.co_filename or trace.tb_frame.f_code.co_name == '__run'):
            trace = trace.tb_next
        traceback.print_exception(kind, error, trace)
        code = 1
    return code
`)
// As a promise, so that asyncio.run and the like can wait (stack switching, which V8 has); without it they would refuse.
const run = python.globals.get('__run')
Deno.exit(await ('Suspending' in WebAssembly ? run.callPromising() : run()))
