import { expect, test } from 'vitest'
import type { Job } from '@lumaris/protocol'
import { withRows } from './list-rows.ts'

const job = (id: string, state = 'queued'): Job => ({ id, state }) as unknown as Job
const list = (...pages: Job[][]) => ({ pages: pages.map((data) => ({ data, nextCursor: null })), pageParams: [] })
const shown = (of: ReturnType<typeof withRows>): string[][] => of.pages.map((page) => page.data.map((one) => `${one.id} ${one.state}`))

test('rows change in their place, and newer ones come to the top, newest first', () => {
  expect(shown(withRows(list([job('5'), job('4')], [job('3'), job('2')]), [job('3', 'running'), job('6'), job('7', 'running')], null))).toEqual([['7 running', '6 queued', '5 queued', '4 queued'], ['3 running', '2 queued']])
})
test('a list of one state loses what left it, and gains only what is in it', () => {
  expect(shown(withRows(list([job('5'), job('4')], [job('3')]), [job('4', 'running'), job('6', 'running'), job('7')], 'queued'))).toEqual([['7 queued', '5 queued'], ['3 queued']])
})
test('an older job that is not in the list is on a page that was not read', () => {
  expect(shown(withRows(list([job('5')]), [job('1')], null))).toEqual([['5 queued']])
})
