// Runs a Python program in Pyodide, inside Deno. Not part of the agent: it is what the sandbox starts.
//   deno run … python.mjs PYODIDE_DIR SNAPSHOT|'' WORK_DIR main.py arguments…
//   deno run … python.mjs PYODIDE_DIR --make-snapshot FILE
const [home, snapshot, work, ...argv] = Deno.args
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
python.globals.set('__argv', python.toPy(argv))
python.globals.set('__env', python.toPy(Deno.env.toObject()))
// A restored memory carries the randomness of the day it was made: Python's own generator is seeded afresh before the program sees it.
const code = python.runPython(`
def __run():
    import os, sys, runpy, traceback, random
    random.seed()
    os.environ.clear()
    os.environ.update({name: value for name, value in __env.items()})
    os.chdir('/work')
    sys.argv = list(__argv)
    if not sys.argv:
        print('python: no program was named', file=sys.stderr)
        return 2
    sys.path.insert(0, os.path.dirname(os.path.abspath(sys.argv[0])))
    sys.stdout.reconfigure(line_buffering=True)
    code = 0
    try:
        runpy.run_path(sys.argv[0], run_name='__main__')
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            code = (end.code or 0) & 255
        else:
            print(end.code, file=sys.stderr)
            code = 1
    except FileNotFoundError as missing:
        if missing.filename == sys.argv[0]:
            print(f"python: can't open file '{sys.argv[0]}': no such file", file=sys.stderr)
            code = 2
        else:
            traceback.print_exc()
            code = 1
    except BaseException:
        kind, error, trace = sys.exc_info()
        while trace is not None and ('runpy' in trace.tb_frame.f_code.co_filename or trace.tb_frame.f_code.co_name == '__run'):
            trace = trace.tb_next
        traceback.print_exception(kind, error, trace)
        code = 1
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass
    return code
__run()
`)
Deno.exit(code)
