import { stripVTControlCharacters } from 'node:util'

// Everything that steers a terminal: control characters, and those that turn the direction of writing around.
const STEERING = /[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu

/** Text from strangers (names of nodes, reasons, paths) as one harmless line. */
export const clean = (text: string): string => stripVTControlCharacters(text).replace(STEERING, ' ').trim()
