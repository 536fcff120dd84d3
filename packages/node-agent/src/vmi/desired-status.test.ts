import type { Stored, VirtualMachineInstance, VmiMigrationState } from '@godwit/api';
import { expect, it } from 'vitest';
import { EMPTY_SPEC } from '../../test/machines-in.ts';
import { desiredRunningStatus } from './desired-status.ts';

function guest(phase: 'Scheduled' | 'Running', migrationState?: VmiMigrationState) {
  const vmi: Stored<VirtualMachineInstance> = {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstance',
    metadata: {
      name: 'vm',
      namespace: 'ns',
      uid: 'u',
      resourceVersion: '1',
      creationTimestamp: '2026-01-01T00:00:00Z',
    },
    spec: { domain: { devices: {} } },
    status: { phase, ...(migrationState && { migrationState }) },
  };
  return { vmi, claims: [], nodeName: 'n1', spec: EMPTY_SPEC, runState: 'running' as const, pausedByUser: false };
}

const arriving = { migrationUid: 'm', targetNode: 'n1', sourceNode: 'n1' };

it('says that a started guest runs', () =>
  expect(desiredRunningStatus(guest('Scheduled'), 0)?.status).toMatchObject({ phase: 'Running', nodeName: 'n1' }));

it('does not call a guest ready that is being ended', () => {
  const { vmi, ...rest } = guest('Running');
  const ending = { ...vmi, metadata: { ...vmi.metadata, deletionTimestamp: '2026-01-01T00:01:00Z' } };
  expect(desiredRunningStatus({ ...rest, vmi: ending }, 0)?.status?.conditions).toContainEqual(
    expect.objectContaining({ type: 'Ready', status: 'False', reason: 'PodTerminating' }),
  );
});

it('leaves it to the end of the migration to say that an arriving guest runs', () =>
  expect(desiredRunningStatus(guest('Scheduled', arriving), 0)).toBeUndefined());

it('says so afterwards', () =>
  expect(desiredRunningStatus(guest('Scheduled', { ...arriving, completed: true }), 0)?.status?.phase).toBe('Running'));

it('goes on telling of a guest that is moved within its cluster', () =>
  expect(desiredRunningStatus(guest('Running', { ...arriving, targetNode: 'n2' }), 0)).toBeDefined());
