// How many columns of a terminal a text takes. Good enough for tables: wide letters and emoji take two, combining marks none.
const WIDE = /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u
const NOTHING = /^(?:\p{Mark}|\u200b|\u200c|\u200d|\ufe0f)$/u

const widthOfOne = (character: string): number => (NOTHING.test(character) ? 0 : WIDE.test(character) ? 2 : 1)
export const widthOf = (text: string): number => { let width = 0; for (const character of text) width += widthOfOne(character); return width }

/** At most `columns` wide, with `…` where something is missing. */
export function truncate(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text
  let kept = '', width = 0
  for (const character of text) {
    if (width + widthOfOne(character) > columns - 1) break
    kept += character
    width += widthOfOne(character)
  }
  return columns > 0 ? `${kept}…` : ''
}
export const pad = (text: string, columns: number, right = false): string => {
  const space = ' '.repeat(Math.max(0, columns - widthOf(text)))
  return right ? space + text : text + space
}
