import { request } from 'node:https';
import { resources } from '@godwit/api';
import type { Node } from '@godwit/api';
import type { AgentHost } from './agent-host.ts';

/** The lines that an agent's `/metrics` answers the API server with. */
export async function scrape(host: AgentHost, node: string): Promise<readonly string[]> {
  const object = await host.client.get<Node>(resources.nodes, node);
  const port = object?.status?.daemonEndpoints?.kubeletEndpoint?.Port ?? 0;
  return new Promise((resolve, reject) => {
    const at = { host: '127.0.0.1', port, path: '/metrics', agent: false, ...host.clientTls('api') };
    const asking = request(at, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve(text.split('\n')));
    });
    asking.on('error', reject);
    asking.end();
  });
}

/** The value of the sample whose name and labels are `sample`; undefined when there is none. */
export function valueOf(lines: readonly string[], sample: string): number | undefined {
  const line = lines.find((one) => one.startsWith(`${sample} `));
  return line === undefined ? undefined : Number(line.slice(sample.length + 1));
}
