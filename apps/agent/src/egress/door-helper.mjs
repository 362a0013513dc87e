// Run by `nsenter` inside the network namespace of a sandbox, before anything of the job runs there: opens a listener on its loopback, hands it to the agent,
// and is gone. A listener stays in the namespace it was made in, whoever holds it; so the agent takes connections from inside without being there.
import { createServer } from 'node:net'

const server = createServer()
server.on('error', (error) => { process.stderr.write(`${error.message}\n`); process.exit(1) })
server.listen({ host: '127.0.0.1', port: Number(process.argv[2]) }, () => process.send('door', server, () => process.exit(0)))
