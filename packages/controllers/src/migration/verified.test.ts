import type { MigrationVerification, VirtualMachineInstanceMigration, VolumeVerification } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { awaitsVerification, desiredVerified } from './verified.ts';

const volume = (name: string, result: VolumeVerification['result']): VolumeVerification => ({
  name,
  result,
  bytes: 1,
  bytesRead: 1,
  milliseconds: 1,
});

function migration(verification?: Partial<MigrationVerification>, verify?: string): VirtualMachineInstanceMigration {
  const found = { verifiedAt: '2026-01-01T00:00:00.000Z', milliseconds: 12, volumes: [], ...verification };
  return {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstanceMigration',
    metadata: { name: 'one', ...(verify !== undefined && { annotations: { 'godwit.dev/verify': verify } }) },
    spec: {},
    status: verification === undefined ? {} : { verification: { result: 'Identical', ...found } },
  };
}

describe('the condition of a verified migration', () => {
  it.each([
    [
      'True',
      { result: 'Identical', volumes: [volume('root', 'Identical'), volume('data', 'Identical')] },
      'root, data',
    ],
    ['True', { result: 'NothingCopied' }, 'No volume'],
    ['Unknown', { result: 'Partial', volumes: [volume('root', 'Skipped')] }, 'Not compared: root. Identical: none'],
    ['False', { result: 'Different', message: 'at offset 1048576' }, 'at offset 1048576'],
  ] as const)('is %s for %o', (status, verification, text) => {
    const condition = desiredVerified(
      migration({ ...verification, volumes: [...('volumes' in verification ? verification.volumes : [])] }),
    );
    expect(condition).toMatchObject({ type: 'migrationVerified', status, reason: verification.result });
    expect(condition?.message).toContain(text);
  });

  it('is not there before anything is known', () => {
    expect(desiredVerified(migration())).toBeUndefined();
  });
});

describe('a verification', () => {
  it('is awaited where it is asked for, until it is there', () => {
    expect(awaitsVerification(migration(undefined, 'true'))).toBe(true);
    expect(awaitsVerification(migration({}, 'true'))).toBe(false);
    expect(awaitsVerification(migration(undefined, 'false'))).toBe(false);
    expect(awaitsVerification(migration())).toBe(false);
  });
});
