import { onBothDatabases } from '../database/test-databases.ts'
import { identityContract } from './identity.contract.ts'

onBothDatabases(identityContract)
