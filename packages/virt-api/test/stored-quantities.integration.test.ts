import { names } from '@godwit/api';
import type { KubeObject } from '@godwit/api';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { TestCluster } from '../../api-server/test/support/cluster.ts';
import { startKubeVirtServer } from './kubevirt-server.ts';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startKubeVirtServer();
});
afterAll(() => cluster.stop());

/** What a failed test leaves behind: a quota of another test is in the way of pods. */
const left = new Set<string>();
afterEach(async () => {
  for (const path of left) {
    await patch(path, { metadata: { finalizers: null } });
    await cluster.call('DELETE', `${path}?gracePeriodSeconds=0`);
  }
  left.clear();
});

interface Case {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  /** In the namespace `default`, unless it is false. */
  readonly namespaced?: false;
  /** With a quantity where the text is. */
  readonly spec: (quantity: string) => object;
  /** Whose quantity was let in before. */
  readonly bad: string;
  /** A change of the spec that leaves the quantity alone. */
  readonly other?: object;
  /** Nobody may change the quantity anyway. */
  readonly frozen?: true;
}

const modes = { accessModes: ['ReadWriteOnce'], volumeMode: 'Filesystem' };
const requests = (storage: string) => ({ resources: { requests: { storage } } });
const domain = (guest: string) => ({ domain: { devices: {}, memory: { guest } } });

const CASES: readonly Case[] = [
  {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    plural: 'persistentvolumeclaims',
    spec: (storage) => ({ ...modes, ...requests(storage) }),
    bad: '10GB',
    other: { volumeName: 'pv' },
  },
  {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    plural: 'persistentvolumes',
    namespaced: false,
    spec: (storage) => ({ ...modes, capacity: { storage }, local: { path: '/x' } }),
    bad: '-1Gi',
    other: { persistentVolumeReclaimPolicy: 'Delete' },
  },
  {
    apiVersion: 'v1',
    kind: 'Pod',
    plural: 'pods',
    spec: (memory) => ({ containers: [{ name: 'a', image: 'b', resources: { requests: { memory } } }] }),
    bad: '64MB',
    other: { nodeName: 'n1' },
    frozen: true,
  },
  {
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    plural: 'resourcequotas',
    spec: (memory) => ({ hard: { 'requests.memory': memory } }),
    bad: '10GB',
    other: { hard: { pods: '100' } },
  },
  {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachine',
    plural: 'virtualmachines',
    spec: (guest) => ({ runStrategy: 'Halted', template: { spec: domain(guest) } }),
    bad: '64MB',
    other: { template: { spec: { nodeSelector: { disk: 'fast' } } } },
  },
  {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachine',
    plural: 'virtualmachines',
    spec: (storage) => ({
      runStrategy: 'Halted',
      template: { spec: { ...domain('64Mi'), volumes: [{ name: 'root', dataVolume: { name: 'dv' } }] } },
      dataVolumeTemplates: [
        { metadata: { name: 'dv' }, spec: { source: { blank: {} }, storage: { ...modes, ...requests(storage) } } },
      ],
    }),
    bad: 'much',
    other: {
      dataVolumeTemplates: [
        {
          metadata: { name: 'dv', labels: { tier: 'a' } },
          spec: { source: { blank: {} }, storage: { ...modes, ...requests('much') } },
        },
      ],
    },
  },
  {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstance',
    plural: 'virtualmachineinstances',
    spec: domain,
    bad: '64MB',
    frozen: true,
  },
  {
    apiVersion: 'cdi.kubevirt.io/v1beta1',
    kind: 'DataVolume',
    plural: 'datavolumes',
    spec: (storage) => ({ source: { blank: {} }, storage: requests(storage) }),
    bad: '10GB',
    frozen: true,
  },
  {
    apiVersion: 'migrations.kubevirt.io/v1alpha1',
    kind: 'MigrationPolicy',
    plural: 'migrationpolicies',
    namespaced: false,
    spec: (bandwidthPerMigration) => ({ selectors: {}, bandwidthPerMigration }),
    bad: '64MB',
    other: { allowPostCopy: true },
  },
  {
    apiVersion: 'kubevirt.io/v1',
    kind: 'KubeVirt',
    plural: 'kubevirts',
    spec: (bandwidthPerMigration) => ({ configuration: { migrations: { bandwidthPerMigration } } }),
    bad: '-64Mi',
    other: { configuration: { migrations: { allowPostCopy: true } } },
  },
];

const named = CASES.map((one, i) => [`${one.kind} with ${one.bad}`, { ...one, name: `stored-${i}` }] as const);

function paths({ apiVersion, plural, namespaced }: Case): { list: string; resource: string; namespace: string } {
  const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion];
  const root = group === '' ? `/api/${version}` : `/apis/${apiVersion}`;
  return {
    list: `${root}${namespaced === false ? '' : '/namespaces/default'}/${plural}`,
    resource: group === '' ? plural : `${plural}.${group}`,
    namespace: namespaced === false ? '' : 'default',
  };
}

/** As an earlier version, which did not look at quantities, has stored it. */
async function store(one: Case, name: string): Promise<string> {
  const { list, resource, namespace } = paths(one);
  const { apiVersion, kind, spec, bad } = one;
  const body: KubeObject = {
    apiVersion,
    kind,
    metadata: { name, finalizers: ['example.org/kept'] },
    spec: spec('1Gi'),
  };
  const made = await cluster.call('POST', list, { body });
  expect(made.code, made.text).toBe(201);
  const entry = cluster.store.get({ resource, namespace, name });
  if (!entry) throw new Error(`${kind} is not stored as ${resource}`);
  // The cast is safe: what was put in as an object is one.
  const value = structuredClone(entry.value) as KubeObject;
  value['spec'] = JSON.parse(JSON.stringify(value['spec']).replaceAll('"1Gi"', JSON.stringify(bad)));
  await cluster.store.write({ do: 'update', resource, namespace, name, expected: entry.revision, value });
  left.add(`${list}/${name}`);
  return `${list}/${name}`;
}

const patch: TestCluster['merge'] = (...args) => cluster.merge(...args);

describe('an object that was stored with a bad quantity', () => {
  it.each(named)('%s is changed and goes like any other', async (_, one) => {
    const path = await store(one, one.name);
    const labelled = await patch(path, { metadata: { labels: { seen: 'yes' } } });
    expect(labelled.code, labelled.text).toBe(200);
    expect(JSON.stringify(labelled.body.spec)).toContain(one.bad);
    if (one.other) {
      const other = await patch(path, { spec: one.other });
      expect(other.code, other.text).toBe(200);
      expect(other.body.spec).toMatchObject(one.other);
    }
    // By the main resource or by its own, as the kind has it.
    const viaStatus = await patch(`${path}/status`, { status: { phase: 'Pending' } });
    const told = viaStatus.code === 404 ? await patch(path, { status: { phase: 'Pending' } }) : viaStatus;
    expect(told.code, told.text).toBe(200);
    const finalizers = one.kind === 'PersistentVolumeClaim' ? [names.pvcProtectionFinalizer, 'example.org/kept'] : null;
    const freed = await patch(path, { metadata: { finalizers } });
    expect(freed.code, freed.text).toBe(200);
    expect((await cluster.call('DELETE', path)).code).toBe(200);
  });

  it.each(named)('%s gets no other bad one', async (_, one) => {
    const path = await store(one, `${one.name}-worse`);
    const worse = await patch(path, { spec: one.spec('99XB') });
    expect(worse).toMatchObject({ code: 422, body: { reason: 'Invalid' } });
  });

  it.each(named.filter(([, one]) => !one.frozen))('%s can be mended', async (_, one) => {
    const path = await store(one, `${one.name}-mended`);
    const mended = await patch(path, { spec: one.spec('2Gi') });
    expect(mended.code, mended.text).toBe(200);
    expect(JSON.stringify(mended.body.spec)).toContain('2Gi');
  });
});
