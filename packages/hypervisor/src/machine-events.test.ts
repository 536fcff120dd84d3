import { describe, expect, it } from 'vitest';
import { machineEventOf } from './machine-events.ts';

const spec = { disks: [{ name: 'root' }, { name: 'data' }] } as unknown as Parameters<typeof machineEventOf>[1];

describe('machine events', () => {
  it.each([
    ['RESUME', {}, { type: 'resumed' }],
    ['STOP', {}, { type: 'stopped' }],
    ['SHUTDOWN', { guest: true, reason: 'guest-shutdown' }, { type: 'shutdown', guestInitiated: true }],
    ['RESET', { guest: false }, { type: 'reset', guestInitiated: false }],
    ['MIGRATION', { status: 'completed' }, { type: 'migration', status: 'completed' }],
    ['MIGRATION_PASS', { pass: 3 }, { type: 'memory-pass', iteration: 3 }],
    ['BLOCK_IO_ERROR', { 'node-name': 'disk1-3', nospace: true }, { type: 'disk-error', disk: 'data', nospace: true }],
    ['BLOCK_JOB_READY', { device: 'mirror-root' }, { type: 'job', id: 'root', status: 'ready' }],
    ['BLOCK_JOB_COMPLETED', { device: 'mirror-root' }, { type: 'job', id: 'root', status: 'completed' }],
    ['BLOCK_JOB_CANCELLED', { device: 'mirror-root' }, { type: 'job', id: 'root', status: 'cancelled' }],
    [
      'BLOCK_JOB_COMPLETED',
      { device: 'mirror-root', error: 'Input/output error' },
      { type: 'job', id: 'root', status: 'error', error: 'Input/output error' },
    ],
  ])('%s %j', (name, data, expected) => {
    expect(machineEventOf({ name, data, atMs: 5 }, spec)).toEqual({ ...expected, atMs: 5 });
  });

  it.each([
    ['JOB_STATUS_CHANGE', { id: 'mirror-root' }],
    ['BLOCK_JOB_READY', { device: 'somebody-elses' }],
    ['BLOCK_IO_ERROR', { 'node-name': '#block123' }],
  ])('says nothing about %s %j', (name, data) => {
    expect(machineEventOf({ name, data, atMs: 5 }, spec)).toBeUndefined();
  });
});
