import { names, resources } from '@godwit/api';
import type { MigrationVerification } from '@godwit/api';
import { expect } from 'vitest';
import { namespace } from '../../apps/cli/src/commands/demo/objects.ts';
import type { Whereabouts } from '../../apps/cli/src/commands/demo/session.ts';
import { eventually } from '../support/eventually.ts';
import type { GuestUnderTest } from '../support/guest.ts';
import { ended, expectSoundEnd, migrationOf } from '../support/move.ts';
import { moveInPlace, moveToCluster, moveWithDisks } from '../support/request.ts';

const moves = {
  'in place': moveInPlace,
  'to the other node': moveWithDisks,
  'to the other cluster': moveToCluster,
};
export type How = keyof typeof moves;

export interface VerifiedMove {
  readonly verification: MigrationVerification;
  readonly totalMs: number;
  readonly downtimeMs: number;
  /** Why attempts before this one failed. */
  readonly failures: readonly string[];
}

/** On a machine that is short of processors QEMU may give up a connection: the guest stays, and the move is repeated. */
const ATTEMPTS = 3;
const PATIENCE_MS = 400_000;

/** Moves the guest onto volumes that were prepared before, compared at the switchover; resolves with what that found. */
export async function moveVerified(subject: GuestUnderTest, to: Whereabouts, how: How): Promise<VerifiedMove> {
  const failures: string[] = [];
  for (;;) {
    const move = await moves[how](subject, to, { [names.verifyAnnotation]: 'true' });
    const { name, source } = move;
    await eventually(
      `migration ${name} to end`,
      async () => {
        const phase = (await migrationOf(source, name))?.status?.phase;
        return phase === 'Succeeded' || phase === 'Failed';
      },
      PATIENCE_MS,
    );
    if ((await expectSoundEnd(subject, move)) === 'stayed') {
      const { verification } = (await migrationOf(source, name))?.status ?? {};
      failures.push((await ended(source, name)).reason);
      expect(verification?.result ?? 'Identical', failures.join('; ')).toBe('Identical');
      expect(failures.length, failures.join('; ')).toBeLessThan(ATTEMPTS);
      continue;
    }
    return eventually(`the verification of migration ${name}`, async () => {
      const { verification, progress } = (await migrationOf(source, name))?.status ?? {};
      if (verification === undefined || progress?.stage !== 'Done') return undefined;
      return { verification, totalMs: progress.totalMs ?? 0, downtimeMs: progress.downtimeMs ?? 0, failures };
    });
  }
}

/** Removes the volumes that the guest has left. */
export async function removeVolumes(subject: GuestUnderTest, volumes: readonly string[]): Promise<void> {
  const { client } = subject.at.cluster;
  for (const name of volumes) {
    await client.delete(resources.dataVolumes, name, namespace);
    await eventually(
      `claim ${name} to be gone`,
      async () => (await client.get(resources.persistentVolumeClaims, name, namespace)) === undefined,
    );
  }
}
