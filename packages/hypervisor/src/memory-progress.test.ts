import { describe, expect, it } from 'vitest';
import { memoryProgressOf } from './memory-progress.ts';
import { runStateOf } from './run-state.ts';

describe('memory progress', () => {
  it('is empty before the first migration', () => {
    expect(memoryProgressOf({})).toEqual({
      status: 'none',
      bytesTotal: 0,
      bytesDone: 0,
      bytesRemaining: 0,
      dirtyBytesPerSecond: 0,
      bytesPerSecond: 0,
      iteration: 0,
    });
  });

  it("turns QEMU's units into bytes", () => {
    const ram = {
      total: 1000,
      transferred: 700,
      remaining: 300,
      'dirty-pages-rate': 10,
      'page-size': 4096,
      mbps: 8,
      'dirty-sync-count': 3,
    };
    expect(memoryProgressOf({ status: 'active', 'expected-downtime': 30, ram })).toMatchObject({
      status: 'active',
      bytesDone: 700,
      dirtyBytesPerSecond: 40_960,
      bytesPerSecond: 1_000_000,
      iteration: 3,
      expectedDowntimeMs: 30,
    });
  });

  it('tells how much the processors are held back, while they are', () => {
    expect(memoryProgressOf({ status: 'active', 'cpu-throttle-percentage': 20 })).toMatchObject({
      throttlePercent: 20,
    });
    expect(memoryProgressOf({ status: 'active', 'cpu-throttle-percentage': 0 })).not.toHaveProperty('throttlePercent');
  });

  it('tells why it failed', () => {
    expect(memoryProgressOf({ status: 'failed', 'error-desc': 'Broken pipe' })).toMatchObject({
      status: 'failed',
      error: 'Broken pipe',
    });
  });
});

describe('run state', () => {
  it.each([
    ['inmigrate', 'incoming'],
    ['prelaunch', 'paused'],
    ['guest-panicked', 'internal-error'],
    ['unheard-of', 'internal-error'],
  ])('%s is %s', (status, expected) => expect(runStateOf(status)).toBe(expected));
});
