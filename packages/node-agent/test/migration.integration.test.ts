import type { MigrationProgress } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { createRig, DISK_BYTES, expectAlive } from './migration/rig.ts';

describe('a move to another node', () => {
  it.each([
    ['mutual TLS', {}],
    ['plain TCP', { disableTLS: true }],
  ])('over %s hands the running guest over with everything it wrote [SLM 5.3 #58]', async (_, configuration) => {
    await using rig = await createRig({ configuration });
    const seen: MigrationProgress[] = [];
    const { source, target, targetSerial } = await rig.start({
      source: { onProgress: (progress) => seen.push(progress) },
    });
    const outcome = await source.done;
    expect(outcome).toMatchObject({ result: 'succeeded' });
    const arrived = await target.done;
    if (arrived.result !== 'running' || outcome.result !== 'succeeded')
      throw new Error(JSON.stringify([outcome, arrived]));
    expect(await rig.machine.state()).toBe('gone');
    await expectAlive(arrived.machine, targetSerial, rig.targetImage, rig.serial.highest('W'));
    // About 60 ms on two idle cores, which others share; the benchmark judges it. Here: the watchdog was not needed.
    expect(rig.serial.longestGapMs(targetSerial)).toBeLessThan(10_000);
    expect(seen.at(-1)).toMatchObject({
      stage: 'Done',
      downtimeMs: outcome.downtimeMs,
      bytesTransferred: outcome.bytes,
      bytesDone: seen.at(-1)?.bytesTotal,
    });
    // A quarter of the disk and some memory; the holes of the rest do not travel.
    expect(outcome.bytes).toBeGreaterThan(DISK_BYTES / 4);
    expect(outcome.bytes).toBeLessThan(DISK_BYTES);
  });
});
