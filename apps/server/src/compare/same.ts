// Do two files say the same? Written by strangers, both of them: everything here is done in one pass over the text without recursion, and stops at bounds
// that depend on the file alone, so that two honest copies meet the same answer.
import type { Compare } from '@lumaris/protocol'
import { areNearPixels, isNoImage, readImage } from './image.ts'
import type { NoImage } from './image.ts'

/** Bytes of all files of one result; over it they are compared by their bytes. */
export const COMPARED_BYTES_MAX = 8 * 1024 * 1024
/** Values in one JSON text: a million of them are some 200 MB while they are compared. */
const VALUES_MAX = 1_000_000
/** Digits of one number, and of its exponent. */
const DIGITS_MAX = 400, EXPONENT_DIGITS_MAX = 9

export type Tolerance = { readonly absolute: number; readonly relative: number }

export function areSame(compare: Compare, one: Uint8Array, other: Uint8Array): boolean {
  if (compare.kind === 'bytes') return Buffer.from(one.buffer, one.byteOffset, one.byteLength).equals(other)
  if (compare.kind === 'image') return lookAtImages(compare, one, other).same
  if (compare.kind === 'command') return false // the buyer's command says, on a node
  const a = textOf(one), b = textOf(other)
  if (a === null || b === null) return false
  if (compare.kind === 'numbers') return sameText(a, b, compare)
  const left = parseJson(a), right = parseJson(b)
  return left !== null && right !== null && sameValue(left, right, compare)
}
/** With why not, where one of them is no picture that can be looked at. */
export function lookAtImages(compare: Extract<Compare, { kind: 'image' }>, one: Uint8Array, other: Uint8Array): { readonly same: boolean; readonly why?: NoImage } {
  const a = readImage(one)
  if (isNoImage(a)) return { same: false, why: a }
  const b = readImage(other)
  return isNoImage(b) ? { same: false, why: b } : { same: areNearPixels(a, b, compare) }
}
function textOf(bytes: Uint8Array): string | null {
  try { return new TextDecoder('utf-8', { fatal: true }).decode(bytes) } catch { return null }
}

// Numbers

const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/
/** One spelling for each number, without loss: 1, 1.0 and 10e-1 are one, 9007199254740993 and its neighbour are two. */
export function decimalOf(literal: string): string {
  const [, sign = '', whole = '', part = '', power = '0'] = DECIMAL.exec(literal) ?? []
  const digits = (whole + part).replace(/^0+/, ''), bare = digits.replace(/0+$/, '')
  return bare === '' ? '0' : `${sign === '-' ? '-' : ''}${bare}e${Number(power) - part.length + digits.length - bare.length}`
}
export function areNear(a: string, b: string, { absolute, relative }: Tolerance): boolean {
  if (decimalOf(a) === decimalOf(b)) return true
  const x = Number(a), y = Number(b)
  // Beyond what can be computed with: only the same number is near.
  return (absolute > 0 || relative > 0) && Number.isFinite(x) && Number.isFinite(y) && Math.abs(x - y) <= absolute + relative * Math.max(Math.abs(x), Math.abs(y))
}

// Text with numbers in it

const NUMBER = new RegExp(`[+-]?(?:\\d{1,${DIGITS_MAX}}(?:\\.\\d{0,${DIGITS_MAX}})?|\\.\\d{1,${DIGITS_MAX}})(?:[eE][+-]?\\d{1,${EXPONENT_DIGITS_MAX}})?`, 'y')
const isWord = (code: number): boolean => (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122) || code === 95
const mayBegin = (code: number): boolean => (code >= 48 && code <= 57) || code === 43 || code === 45 || code === 46
/** The number that begins there and is no part of a word: `run12` and `3fa9` are names. */
function numberAt(text: string, at: number): string | null {
  if (!mayBegin(text.charCodeAt(at)) || (at > 0 && isWord(text.charCodeAt(at - 1)))) return null
  NUMBER.lastIndex = at
  const found = NUMBER.exec(text)?.[0]
  return found === undefined || isWord(text.charCodeAt(at + found.length)) ? null : found
}
function sameText(a: string, b: string, tolerance: Tolerance): boolean {
  let i = 0, j = 0
  while (i < a.length && j < b.length) {
    const x = numberAt(a, i), y = x === null ? null : numberAt(b, j)
    if (x !== null && y !== null) {
      if (!areNear(x, y, tolerance)) return false
      i += x.length; j += y.length
    } else if (a.charCodeAt(i++) !== b.charCodeAt(j++)) return false
  }
  return i === a.length && j === b.length
}

// JSON

type Value = { readonly object: Map<string, Value> } | { readonly array: Value[] } | { readonly number: string } | { readonly text: string } | { readonly word: string }
type Open = { readonly value: { readonly object: Map<string, Value> } | { readonly array: Value[] }; key: string | null }
const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d{1,9})?$/
const WORDS = ['true', 'false', 'null'] as const

/** Null: no JSON, a key twice in one object, or beyond the bounds. Keys are kept in a map: `__proto__` is a key like any other. */
export function parseJson(text: string): Value | null {
  const open: Open[] = []
  let at = 0, values = 0, root: Value | null = null
  const skip = (): number => { for (;;) { const code = text.charCodeAt(at); if (code !== 32 && code !== 10 && code !== 13 && code !== 9) return code; at++ } }
  const string = (): string | null => {
    const from = at++
    for (; at < text.length; at++) {
      const code = text.charCodeAt(at)
      if (code === 92) at++
      else if (code === 34) { at++; try { return JSON.parse(text.slice(from, at)) as string } catch { return null } }
    }
    return null
  }
  const number = (): string | null => {
    const from = at
    while (at < text.length && at - from <= 2 * DIGITS_MAX && (mayBegin(text.charCodeAt(at)) || text.charCodeAt(at) === 101 || text.charCodeAt(at) === 69)) at++
    const found = text.slice(from, at)
    return found.length <= 2 * DIGITS_MAX && JSON_NUMBER.test(found) ? found : null
  }
  /** Puts a value where it belongs; false when its place is taken. */
  const put = (value: Value): boolean => {
    const into = open.at(-1)
    if (!into) { if (root) return false; root = value; return true }
    if ('array' in into.value) { into.value.array.push(value); return true }
    if (into.key === null || into.value.object.has(into.key)) return false
    into.value.object.set(into.key, value)
    into.key = null
    return true
  }
  /** Reads `"key":`. */
  const key = (into: Open): boolean => {
    if (skip() !== 34) return false
    into.key = string()
    if (into.key === null || skip() !== 58) return false
    at++
    return true
  }
  for (;;) {
    const code = skip()
    if (++values > VALUES_MAX) return null
    if (code === 123 || code === 91) {
      at++
      const value = code === 123 ? { object: new Map<string, Value>() } : { array: [] as Value[] }, into: Open = { value, key: null }
      if (!put(value)) return null
      if (skip() === (code === 123 ? 125 : 93)) at++
      else { open.push(into); if (code === 123 && !key(into)) return null; continue }
    } else if (code === 34) {
      const found = string()
      if (found === null || !put({ text: found })) return null
    } else if (mayBegin(code)) {
      const found = number()
      if (found === null || !put({ number: found })) return null
    } else {
      const word = WORDS.find((one) => text.startsWith(one, at))
      if (!word || !put({ word })) return null
      at += word.length
    }
    // After a value: what closes here, then a comma or the end.
    for (;;) {
      const into = open.at(-1), next = skip()
      if (!into) return Number.isNaN(next) ? root : null
      if (next === ('array' in into.value ? 93 : 125)) { at++; open.pop(); continue }
      if (next !== 44) return null
      at++
      if ('object' in into.value && !key(into)) return null
      break
    }
  }
}

function sameValue(left: Value, right: Value, tolerance: Tolerance): boolean {
  const pairs: [Value, Value][] = [[left, right]]
  for (let pair = pairs.pop(); pair; pair = pairs.pop()) {
    const [a, b] = pair
    if ('number' in a) { if (!('number' in b) || !areNear(a.number, b.number, tolerance)) return false } else if ('text' in a) { if (!('text' in b) || a.text !== b.text) return false } else if ('word' in a) { if (!('word' in b) || a.word !== b.word) return false } else if ('array' in a) {
      if (!('array' in b) || a.array.length !== b.array.length) return false
      for (let i = 0; i < a.array.length; i++) pairs.push([a.array[i] as Value, b.array[i] as Value])
    } else {
      if (!('object' in b) || a.object.size !== b.object.size) return false
      for (const [name, value] of a.object) {
        const other = b.object.get(name)
        if (other === undefined) return false
        pairs.push([value, other])
      }
    }
  }
  return true
}
