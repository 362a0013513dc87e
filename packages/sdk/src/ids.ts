import { chanceText, timeText } from '@lumaris/protocol'

/** A new job id, made by the caller so that submitting twice is submitting once. */
export const newJobId = (nowMs: number = Date.now()): string => `job_${timeText(nowMs)}${chanceText(globalThis.crypto.getRandomValues(new Uint8Array(16)))}`
