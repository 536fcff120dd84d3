import type { VmiMigrationState } from '@godwit/api';
import { storedMigration, storedPod, storedVmi } from '../../virt/testing/objects.ts';
import { defaultTimeouts } from '../seen.ts';
import type { Instance, SeenMigration } from '../seen.ts';

/** Creation time of every object made here. */
export const createdMs = Date.parse('2026-01-01T00:00:00Z');

/** A VMI that runs on n1. */
export function runningVmi(status: Instance['status'] = {}): Instance {
  return storedVmi({ phase: 'Running', nodeName: 'n1', ...status });
}

/** What the controller sees of migration `m` of a guest on n1: its source pod, nothing else. */
export function seenMigration(changes: Partial<SeenMigration> = {}): SeenMigration {
  const source = storedPod('source', { node: 'n1' });
  return {
    migration: storedMigration('m', { phase: 'Pending' }),
    vmi: runningVmi(),
    rivals: [],
    finished: [],
    pods: changes.targetPod ? [source, changes.targetPod] : [source],
    targetPod: undefined,
    sourceNode: undefined,
    configuration: {},
    policyName: undefined,
    node: () => undefined,
    candidates: () => ({ fitting: ['n2'], why: '' }),
    claim: () => ({ pvc: undefined, pv: undefined, storageClass: undefined }),
    admission: () => ({ admitted: true }),
    synchronizationAddresses: [],
    timeouts: defaultTimeouts,
    ...changes,
  };
}

/** The record of `m`, handed over from n1 to n2. */
export function handedOver(changes: VmiMigrationState = {}): VmiMigrationState {
  return {
    migrationUid: 'uid-m',
    sourceNode: 'n1',
    sourcePod: 'source',
    targetNode: 'n2',
    targetPod: 'target',
    ...changes,
  };
}
