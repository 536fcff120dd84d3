import { silentLogger } from '@godwit/core/logger';
import { createMemoryKube } from '@godwit/kube-client/testing';
import { afterAll, beforeAll, describe } from 'vitest';
import { bootstrap } from '../profiles/bootstrap.ts';
import { storageProfiles } from '../profiles/controller.ts';
import { scheduling } from '../scheduling/controller.ts';
import { startControllers } from '../start.ts';
import type { RunningControllers } from '../start.ts';
import { runFakeAgent } from '../testing/fake-agent.ts';
import { addReadyNode, storageScenarios } from '../testing/storage-scenarios.ts';
import { storage } from './controller.ts';

describe('storage and scheduling together, in memory', () => {
  const { client } = createMemoryKube();
  const ending = new AbortController();
  let running: RunningControllers;

  beforeAll(async () => {
    await addReadyNode(client, 'n1');
    await addReadyNode(client, 'n2');
    runFakeAgent(client, ending.signal);
    running = await startControllers(
      { client, clusterName: 'test', kubevirtCa: { certPem: '', keyPem: '' }, log: silentLogger },
      [bootstrap, storage, storageProfiles, scheduling],
    );
  });
  afterAll(async () => {
    ending.abort();
    await running.stop();
  });

  storageScenarios(() => ({ client }));
});
