import { expect, it } from 'vitest';
import { storedMigration, storedPod, storedVmi } from '../virt/testing/objects.ts';
import { handOver } from './record.ts';
import type { SeenMigration } from './seen.ts';

it('a new attempt does not forget what an earlier one has left on the destination, and only that', () => {
  const moving = (volumeName: string, target: string) => ({
    volumeName,
    sourcePVCInfo: { claimName: `${volumeName}-old` },
    destinationPVCInfo: { claimName: target },
  });
  const earlier = [moving('a', 'a-new'), moving('b', 'b-new'), moving('c', 'c-elsewhere')];
  const vmi = storedVmi({
    migratedVolumes: [moving('a', 'a-new'), moving('b', 'b-new'), moving('c', 'c-new')],
    migrationState: { migrationUid: 'earlier', failed: true, volumes: earlier, movedVolumes: ['a', 'c'] },
  });
  // The cast is safe: the hand-over looks at these members only.
  const seen = { migration: storedMigration('m'), configuration: {} } as unknown as SeenMigration;
  const state = handOver(seen, vmi, storedPod('source', { node: 'n1' }), 'InPlace').status?.migrationState;
  expect(state).toMatchObject({ migrationUid: 'uid-m', movedVolumes: ['a'] });
  expect(state).not.toHaveProperty('failed');
});
