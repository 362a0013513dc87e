import { isLumarisError } from '@lumaris/sdk'

/** The server's complaints by the place they are about (`/spec/resources/cpuMillis`), to stand beside their fields. */
export const errorsBy = (error: unknown): ReadonlyMap<string, string> => new Map(isLumarisError(error) && error.errors ? error.errors.map(({ pointer, message }) => [pointer, message]) : [])
