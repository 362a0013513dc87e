import { onPostgres } from '../../apps/server/src/database/test-databases.ts'
import { membersContract } from './members.contract.ts'

membersContract('SQLite', async () => undefined)
onPostgres((server) => membersContract('PostgreSQL', () => server().createDatabase()))
