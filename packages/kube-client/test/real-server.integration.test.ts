import { resources } from '@godwit/api';
import type { ConfigMap, Stored } from '@godwit/api';
import { waitFor } from '@godwit/core/wait';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isForbidden, isUnreachable } from '../src/errors.ts';
import { kubeClientSuite } from '../src/testing/suite.ts';
import type { KubeClient, WatchEvent } from '../src/types.ts';
import { startRealServer } from './support/real-server.ts';
import type { RealServer } from './support/real-server.ts';

let server: RealServer;
let client: KubeClient;
beforeAll(async () => {
  server = await startRealServer();
  client = await server.client();
});
afterAll(() => server.dispose());

kubeClientSuite('https', () => client);

describe('a client of a server that comes and goes', () => {
  const configMap = (name: string): ConfigMap => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace: 'default' },
  });

  it('is refused what its user may not do', async () => {
    const nobody = await server.client('CN=nobody');
    await expect(nobody.list(resources.secrets, { namespace: 'default' })).rejects.toSatisfy(isForbidden);
  });

  it('says unreachable while it is away, and follows on when it is back', async () => {
    const seen: string[] = [];
    const ending = new AbortController();
    let synced = false;
    client.watch<ConfigMap>(resources.configMaps, {
      namespace: 'default',
      signal: ending.signal,
      onEvent: ({ type, object }: WatchEvent<Stored<ConfigMap>>) => seen.push(`${type} ${object.metadata.name}`),
      onSynced: () => {
        synced = true;
      },
    });
    await waitFor(() => synced, { timeoutMs: 5_000, what: 'the first list' });
    seen.length = 0;
    await client.create(resources.configMaps, configMap('before'));
    await server.stop();
    await expect(client.create(resources.configMaps, configMap('lost'))).rejects.toSatisfy(isUnreachable);
    await server.start();
    await client.create(resources.configMaps, configMap('after'));
    await waitFor(() => seen.length >= 2, { timeoutMs: 15_000, what: 'both events' });
    expect(seen).toEqual(['ADDED before', 'ADDED after']);
    ending.abort();
  });
});
