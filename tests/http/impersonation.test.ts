import { onPostgres } from '../../apps/server/src/database/test-databases.ts'
import { impersonationContract } from './impersonation.contract.ts'

impersonationContract('SQLite', async () => undefined)
onPostgres((server) => impersonationContract('PostgreSQL', () => server().createDatabase()))
