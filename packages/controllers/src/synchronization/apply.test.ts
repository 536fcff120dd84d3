import type { VmiMigrationState } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { storedMigration, storedVmi } from '../virt/testing/objects.ts';
import { applyTargetNews } from './apply.ts';
import { readStatus } from './read-status.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const migration = storedMigration('out', {
  phase: 'Scheduled',
  spec: { sendTo: { migrationID: 'move', connectURL: 'peer:1' } },
});

function afterNews(configuration: object, plainAllowed: boolean, own: VmiMigrationState = {}): VmiMigrationState {
  const state = { targetNodeAddress: '10.0.0.1', targetState: { migrationUID: 'in' } };
  const news = readStatus(JSON.stringify({ migrationState: { ...state, migrationConfiguration: configuration } }));
  if (typeof news === 'string') throw new TypeError(news);
  const vmi = storedVmi({ migrationState: { migrationUid: migration.metadata.uid, ...own } });
  const applied = applyTargetNews(vmi, migration, news, { plainAllowed, nowMs: NOW });
  return (applied.verdict === 'apply' && applied.vmi.status?.migrationState) || {};
}

describe('a target that wants no TLS', () => {
  it('ends the move, with a reason, before any byte is sent', () => {
    const state = afterNews({ disableTLS: true }, false);
    expect(state).toMatchObject({ failed: true, completed: true, endTimestamp: '2026-01-01T00:00:00Z' });
    expect(state.failureReason).toContain('disableTLS');
    expect(state.migrationConfiguration).toBeUndefined();
  });

  it('gets its way when this cluster has switched TLS off itself', () => {
    const state = afterNews({ disableTLS: true }, true);
    expect(state.failed).toBeUndefined();
    expect(state.migrationConfiguration).toEqual({ disableTLS: true });
  });

  it('changes nothing about a copy that runs', () => {
    const own = { startTimestamp: '2026-01-01T00:00:00Z', migrationConfiguration: { disableTLS: false } };
    const state = afterNews({ disableTLS: true }, false, own);
    expect(state.failed).toBeUndefined();
    expect(state.migrationConfiguration).toEqual({ disableTLS: false });
  });

  it('has no part in a move with TLS', () => {
    const state = afterNews({ disableTLS: false, allowPostCopy: false }, false);
    expect(state.failed).toBeUndefined();
    expect(state.migrationConfiguration).toEqual({ disableTLS: false, allowPostCopy: false });
  });
});
