import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resources } from '@godwit/api';
import type { VirtualMachineInstance, VirtualMachineInstanceMigration } from '@godwit/api';
import { systemClock } from '@godwit/core/clock';
import { silentLogger } from '@godwit/core/logger';
import { waitFor } from '@godwit/core/wait';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createMetricsController } from '../src/metrics/controller.ts';
import { virtControllers } from '../src/virt/controllers.ts';
import { boundClaim, machine, migrationOf, startTestCluster } from '../src/virt/testing/cluster.ts';
import type { TestCluster } from '../src/virt/testing/cluster.ts';

const { virtualMachines, virtualMachineInstances, virtualMachineInstanceMigrations } = resources;
const patient = { timeoutMs: 30_000, intervalMs: 20 };

let directory: string;

const read = (file: string): string => readFileSync(join(directory, file), 'utf8');
const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: directory, stdio: 'ignore' });
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'] as const;

function issue(name: string, subject: string, ca = 'ca'): void {
  openssl('req', ...NEW_KEY, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', subject);
  const signed = ['-CA', `${ca}.crt`, '-CAkey', `${ca}.key`, '-CAcreateserial', '-days', '2', '-extfile', 'san'];
  openssl('x509', '-req', '-in', `${name}.csr`, ...signed, '-out', `${name}.crt`);
}

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'gwm-'));
  writeFileSync(join(directory, 'san'), 'subjectAltName=IP:127.0.0.1\n');
  for (const ca of ['ca', 'other-ca'])
    openssl(
      'req',
      '-x509',
      ...NEW_KEY,
      '-days',
      '2',
      '-subj',
      `/CN=${ca}`,
      '-keyout',
      `${ca}.key`,
      '-out',
      `${ca}.crt`,
    );
  issue('server', '/CN=controllers-metrics');
  issue('api-server', '/CN=system:kube-apiserver');
  issue('admin', '/O=system:masters/CN=kubernetes-admin');
  issue('somebody', '/CN=system:node:n1/O=system:nodes');
  issue('stranger', '/O=system:masters/CN=kubernetes-admin', 'other-ca');
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const listenAt = (port: number) => ({
  host: '127.0.0.1',
  port,
  certPem: read('server.crt'),
  keyPem: read('server.key'),
  clientCaPem: read('ca.crt'),
});

async function start(port = 0): Promise<{ cluster: TestCluster; listening: Promise<number> }> {
  const { promise: listening, resolve } = Promise.withResolvers<number>();
  const cluster = await startTestCluster([...virtControllers, createMetricsController(resolve)], {
    metricsListen: listenAt(port),
  });
  return { cluster, listening };
}

/** The server's certificate is checked, its address included. */
async function get(port: number, client: string | undefined, path = '/metrics', method = 'GET') {
  const tls = client === undefined ? {} : { cert: read(`${client}.crt`), key: read(`${client}.key`) };
  return new Promise<{ code: number; text: string; type: string }>((resolve, reject) => {
    const asking = request(
      { host: '127.0.0.1', port, path, method, ca: read('ca.crt'), agent: false, ...tls },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () =>
          resolve({ code: response.statusCode ?? 0, text, type: response.headers['content-type'] ?? '' }),
        );
      },
    );
    asking.on('error', reject);
    asking.end();
  });
}

describe('metrics of the controllers', () => {
  it('are for the API server and administrators of this cluster only', async () => {
    const { cluster, listening } = await start();
    await using _cluster = cluster;
    const port = await listening;
    for (const client of ['api-server', 'admin']) {
      const answer = await get(port, client);
      expect(answer.code, client).toBe(200);
      expect(answer.type).toContain('text/plain; version=0.0.4');
      expect(answer.text).toContain('kubevirt_vmi_migrations_in_pending_phase 0');
    }
    expect(await get(port, 'somebody')).toMatchObject({ code: 403 });
    await expect(get(port, 'stranger')).rejects.toThrow();
    await expect(get(port, undefined)).rejects.toThrow();
    expect(await get(port, 'admin', '/')).toMatchObject({ code: 404 });
    expect(await get(port, 'admin', '/metrics', 'POST')).toMatchObject({ code: 405 });
  });

  it('tell a migration from its creation to its end [SLM 62]', async () => {
    const { cluster, listening } = await start();
    await using _cluster = cluster;
    const port = await listening;
    const until = (line: string): Promise<unknown> =>
      waitFor(async () => (await get(port, 'admin')).text.split('\n').includes(line), { ...patient, what: line });
    cluster.seed(...boundClaim('root-old', { shared: true }));
    await cluster.client.create(virtualMachines, machine('vm1'));
    const [first] = await waitFor(async () => ((await cluster.pods()).length > 0 ? cluster.pods() : undefined), {
      ...patient,
      what: 'a pod',
    });
    if (!first) throw new Error('There is no pod');
    await cluster.runPod(first, 'n1');
    const scheduled = (vmi: VirtualMachineInstance): boolean => vmi.status?.phase === 'Scheduled';
    await cluster.until(virtualMachineInstances, 'vm1', 'Scheduled', scheduled);
    await cluster.runGuest('vm1', 'n1');
    await cluster.client.create(virtualMachineInstanceMigrations, migrationOf('vm1', 'm1'));
    await until('kubevirt_vmi_migrations_in_scheduling_phase 1');
    await cluster.client.delete(virtualMachineInstances, 'vm1', 'default');
    await cluster.until<VirtualMachineInstanceMigration>(
      virtualMachineInstanceMigrations,
      'm1',
      'Failed',
      ({ status }) => status?.phase === 'Failed',
    );
    await until('kubevirt_vmi_migration_failed{vmi="vm1",vmim="m1",namespace="default"} 1');
    const name = 'kubevirt_vmi_migration_phase_transition_time_from_creation_seconds';
    for (const phase of ['Pending', 'Scheduling', 'Failed']) await until(`${name}_count{phase="${phase}"} 1`);
  });

  it('come later when their port is taken; the controllers run all the same', async () => {
    const squatter = createServer();
    await new Promise<void>((resolve) => {
      squatter.listen(0, '127.0.0.1', resolve);
    });
    const { port } = squatter.address() as AddressInfo;
    const { promise: listening, resolve } = Promise.withResolvers<number>();
    const retries: (() => void)[] = [];
    const clock = {
      now: () => systemClock.now(),
      after(ms: number, fn: () => void) {
        // The retry of the port is the only thing that waits this long here.
        if (ms !== 5_000) return systemClock.after(ms, fn);
        retries.push(fn);
        return () => undefined;
      },
    };
    await using _cluster = await startTestCluster([createMetricsController(resolve)], {
      metricsListen: listenAt(port),
      clock,
      log: silentLogger,
    });
    expect(retries).toHaveLength(1);
    await new Promise<void>((done) => {
      squatter.close(() => done());
    });
    retries[0]?.();
    expect(await listening).toBe(port);
    expect(await get(port, 'admin')).toMatchObject({ code: 200 });
  });
});
