import { copyMarks } from '@godwit/api';
import type { OfflineCopyStatus, PersistentVolume, PersistentVolumeClaim, Stored, VirtualMachine } from '@godwit/api';
import { boundClaim } from '../../virt/testing/cluster.ts';
import { storedVm } from '../../virt/testing/objects.ts';
import type { OfflineInput } from '../offline-copy.ts';
import { offlineMoves } from '../offline.ts';
import { claimVolumes } from './objects.ts';

export const NOW = Date.parse('2026-01-01T00:00:00Z');
export const HOUR = 3_600_000;
export const GIB = 2 ** 30;

export type Marks = Record<string, string>;

/** A cluster of two nodes in which claims are by name: `old…` on n1, the rest as told. */
export interface World {
  readonly claims: Map<string, { pvc: PersistentVolumeClaim; pv: PersistentVolume | undefined }>;
}

export function world(
  ...claims: readonly [string, { node?: string; shared?: boolean; size?: string; marks?: Marks }][]
): World {
  const made = new Map<string, { pvc: PersistentVolumeClaim; pv: PersistentVolume | undefined }>();
  for (const [name, { marks, ...options }] of claims) {
    const [pvc, pv] = boundClaim(name, options);
    // The casts are safe: this is what boundClaim makes.
    const claim = structuredClone(pvc) as PersistentVolumeClaim;
    claim.metadata.annotations = { ...marks };
    made.set(name, { pvc: claim, pv: pv as PersistentVolume });
  }
  return { claims: made };
}

export function machine(
  targets: Record<string, string>,
  last: Record<string, string>,
  offlineCopy?: OfflineCopyStatus,
  strategy = 'Migration',
): Stored<VirtualMachine> {
  const vm = storedVm(
    { runStrategy: 'Halted', updateVolumesStrategy: strategy },
    { lastVolumes: last, ...(offlineCopy ? { offlineCopy } : {}) },
  );
  vm.spec.template.spec.volumes = claimVolumes(targets);
  return vm;
}

export function input(vm: Stored<VirtualMachine>, { claims }: World, more: Partial<OfflineInput> = {}): OfflineInput {
  return {
    vm,
    moves: offlineMoves(vm),
    claim: (name) => ({ pvc: claims.get(name)?.pvc, pv: claims.get(name)?.pv, storageClass: undefined }),
    dataVolume: () => undefined,
    usersOf: () => [],
    readyNodes: () => ['n1', 'n2'],
    ...more,
  };
}

export const plain: [string, object][] = [
  ['old', {}],
  ['new', { node: 'n1' }],
];
export const wanted = (copy?: OfflineCopyStatus): Stored<VirtualMachine> =>
  machine({ root: 'new' }, { root: 'old' }, copy);
export const ordered: OfflineCopyStatus = {
  id: '1',
  attempts: 1,
  volumes: [{ volumeName: 'root', source: 'old', target: 'new', node: 'n1' }],
};
export const order: Marks = { [copyMarks.source]: 'old', [copyMarks.id]: '1', [copyMarks.node]: 'n1' };
export const said = (phase: string, message = 'why'): Marks => ({
  ...order,
  [copyMarks.reportId]: '1',
  [copyMarks.phase]: phase,
  [copyMarks.message]: message,
});
export const withMarks = (marks: Marks): World => world(['old', {}], ['new', { node: 'n1', marks }]);
