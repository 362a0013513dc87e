export const GUI_FILE = 'gui.json'
/** Read by the command line: where the screen is, and the secret that makes tickets. Only the owner may read the file. */
export type GuiDoor = { readonly url: string; readonly pid: number; readonly secret: string }
