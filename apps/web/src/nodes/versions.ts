import { compareVersions } from '@lumaris/protocol'

/** Whether an agent of this version is older than one of that. */
export const isOlder = (version: string, than: string): boolean => compareVersions(version, than) < 0
/** On that machine, in its checkout. */
export const UPDATE_LINE = 'git pull --ff-only && npm ci && npx lumaris agent service restart'
