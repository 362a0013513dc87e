import { onBothDatabases } from '../database/test-databases.ts'
import { storeContract } from './store.contract.ts'

onBothDatabases(storeContract)
