import { expect, test } from 'vitest'
import { levelOf } from './log-level.ts'

test.each([
  ['ERROR no such file', 'error'], ['Error: no such file', 'error'], ['[error] no such file', 'error'], ['FATAL', 'error'], ['CRITICAL:root:gone', 'error'], ['panic: runtime error', 'error'],
  ['WARNING:root:slow', 'warning'], ['[WARN]  slow', 'warning'], ['warn: slow', 'warning'], ['INFO:root:hello', 'info'], ['NOTICE hello', 'info'], ['DEBUG x', 'debug'], ['TRACE x', 'debug'],
  ['2027-01-31 18:00:00,123 [main] WARN  com.example.Thing - slow', 'warning'], ['[2027-01-31T18:00:00Z INFO crate::part] up', 'info'], ['2027-01-31T18:00:00.123Z ERROR gone', 'error'], ['18:00:00 | DEBUG | x', 'debug'],
  ['{"level":"warn","msg":"slow"}', 'warning'], ['{"time":"2027","severity":"ERROR","message":"gone"}', 'error'], ['{"level":30,"msg":"up"}', 'info'], ['{"level":60}', 'error'], ['{"level":20}', 'debug'], ['{"levelname": "DEBUG"}', 'debug'],
  ['time="2027-01-31" level=info msg="up"', 'info'], ['ts=1 lvl=error', 'error'], ['E0131 18:00:00.123456   42 file.cc:7] gone', 'error'], ['I0131 18:00:00.1 1 f.cc:7] up', 'info'], ['<3>kernel: gone', 'error'], ['<30>daemon: up', 'info'],
] as const)('%s is %s', (line, level) => expect(levelOf(line)).toBe(level))
test.each(['hello', '', 'no error here', 'errors: 0', 'Information about INFO', 'the level is 3', 'Traceback (most recent call last):', '  File "a.py", line 7', '3 errors, 2 warnings', '{"message":"an error"}', '{"level":"loud"}', '<b>bold</b>', 'Warnings are off', 'infos', 'an ERROR in the middle', 'debugger attached'])('%j does not say', (line) => expect(levelOf(line)).toBeNull())
test('a line that is made to be looked through for long is not', () => {
  const began = performance.now()
  for (const line of ['['.repeat(20_000), `[${'a'.repeat(20_000)}`, `${'1:'.repeat(10_000)}`, `2027-01-01 ${'[a] '.repeat(5_000)}`, ` ${' '.repeat(20_000)}x`, `{"level":${' '.repeat(20_000)}`]) for (let i = 0; i < 100; i++) levelOf(line)
  expect(performance.now() - began).toBeLessThan(2_000)
})
