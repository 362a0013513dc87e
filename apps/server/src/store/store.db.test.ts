import { onBothDatabases } from '../database/test-databases.ts'
import { revenueContract } from './revenue.contract.ts'
import { spendContract } from './spend.contract.ts'
import { statementContract } from './statement.contract.ts'
import { storeContract } from './store.contract.ts'

onBothDatabases(storeContract)
onBothDatabases(revenueContract)
onBothDatabases(statementContract)
onBothDatabases(spendContract)
