import { readFileSync } from 'node:fs';
import { systemClock } from '@godwit/core/clock';
import { createQemuHypervisor } from '@godwit/hypervisor';
import { createKubeClient } from '@godwit/kube-client';
import { createNodeAgent, parseAgentConfig } from '@godwit/node-agent';
import { yieldToGuests } from './priority.ts';
import { processLog, readConfig, runUntilSignalled } from './process.ts';

const read = (file: string): string => readFileSync(file, 'utf8');

const config = parseAgentConfig(readConfig<unknown>());
yieldToGuests({ startsGuests: true });
// Meant for this process, whose malloc has read it; QEMU has threads that use theirs.
delete process.env['MALLOC_ARENA_MAX'];
const log = processLog({ component: 'node-agent', cluster: config.cluster, node: config.nodeName });
const client = createKubeClient(
  {
    server: config.api.server,
    caPem: read(config.api.caFile),
    certPem: read(config.api.certFile),
    keyPem: read(config.api.keyFile),
  },
  { log, userAgent: 'godwit-node-agent' },
);
const hypervisor = await createQemuHypervisor({
  log,
  clock: systemClock,
  ...(config.qemuBinary !== undefined && { binary: config.qemuBinary }),
});
const agent = await createNodeAgent(config, {
  client,
  hypervisor,
  log,
  clock: systemClock,
  endpointTls: {
    certPem: read(config.endpoint.certFile),
    keyPem: read(config.endpoint.keyFile),
    clientCaPem: read(config.endpoint.clientCaFile),
  },
  searchPath: process.env['PATH'] ?? '',
});
runUntilSignalled(log, async () => {
  await agent.stop();
  client.close();
});
await agent.start();
