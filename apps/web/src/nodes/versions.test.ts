import { expect, test } from 'vitest'
import { isOlder } from './versions.ts'

test.each([['0.1.0', '0.1.0', false], ['0.1.0', '0.2.0', true], ['1.9.0', '1.10.0', true], ['1.10.0', '1.9.0', false], ['2.0.0', '1.9.9', false], ['mine', '1.0.0', false], ['0.9.9-next', '1.0.0', true]])('%s is older than %s: %s', (version, than, older) => expect(isOlder(version, than)).toBe(older))
