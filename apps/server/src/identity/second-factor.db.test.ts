import { onBothDatabases } from '../database/test-databases.ts'
import { secondFactorContract } from './second-factor.contract.ts'

onBothDatabases(secondFactorContract)
