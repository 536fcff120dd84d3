import type { MigrationVerification } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { storedMigration, storedVmi } from '../virt/testing/objects.ts';
import { outgoing } from './payload.ts';
import { readStatus } from './read-status.ts';

const found: MigrationVerification = {
  result: 'Different',
  message: 'volume root: at offset 1048576',
  verifiedAt: '2026-01-01T00:00:00.000Z',
  milliseconds: 12,
  volumes: [
    { name: 'root', result: 'Different', bytes: 2, bytesRead: 1, milliseconds: 3, digest: 'a', targetDigest: 'b' },
    {
      name: 'cd',
      result: 'Skipped',
      bytes: 0,
      bytesRead: 0,
      milliseconds: 0,
      message: 'qcow2 images are not compared',
    },
  ],
};

function told(side: 'sendTo' | 'receive', verification: unknown = found): unknown {
  const spec = side === 'sendTo' ? { sendTo: { migrationID: 'move', connectURL: 'peer:1' } } : {};
  const migration = storedMigration('m', {
    phase: 'Running',
    spec: side === 'sendTo' ? spec : { receive: { migrationID: 'move' } },
  });
  // The cast is part of the test: a peer may say anything.
  if (migration.status) migration.status.verification = verification as MigrationVerification;
  const half = { migrationUID: migration.metadata.uid, syncAddress: 'peer:1' };
  const vmi = storedVmi({ migrationState: { sourceState: half, targetState: half } });
  const news = readStatus(outgoing(migration, vmi, 'own:1')?.statusJson ?? '');
  if (typeof news === 'string') throw new TypeError(news);
  return news.verification;
}

describe('the result of a verification', () => {
  it('reaches the receiving cluster as it is', () => expect(told('sendTo')).toEqual(found));

  it('is told by the source alone', () => expect(told('receive')).toBeUndefined());

  it.each([[null], ['Identical'], [{ result: 'Perfect', verifiedAt: '', volumes: [] }], [{ ...found, volumes: 1 }]])(
    'is nothing when it makes no sense: %o',
    (value) => expect(told('sendTo', value)).toBeUndefined(),
  );
});
