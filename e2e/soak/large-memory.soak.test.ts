import type { MigrationConfiguration } from '@godwit/api';
import { afterAll, describe, expect, it } from 'vitest';
import { expectClean } from '../support/guest.ts';
import { ended, expectSoundEnd, migrationOf } from '../support/move.ts';
import { configureMigrations } from '../support/pair.ts';
import { moveToOtherNode } from '../support/request.ts';
import { useGuest } from '../support/setup.ts';
import { shared } from '../support/storage.ts';

/** Most of it is in use, and half of that is never left alone. */
const GIB = { memory: '1Gi', memoryMib: 384, ballastMib: 384, dirtyMibPerSecond: 40 };
const PATIENCE_MS = 400_000;

/** The last two are slower than the guest, which has the link for 25 s. */
const ROWS: readonly (readonly [string, MigrationConfiguration, 'succeeded' | 'stayed'])[] = [
  ['arrives over a link without a limit', { bandwidthPerMigration: '0' }, 'succeeded'],
  ['arrives over a link that is faster than it dirties its memory', { bandwidthPerMigration: '128Mi' }, 'succeeded'],
  [
    'arrives, paused by policy, over a link that is slower',
    { bandwidthPerMigration: '32Mi', completionTimeoutPerGiB: 25, allowWorkloadDisruption: true },
    'succeeded',
  ],
  [
    'stays, and is told the numbers, where no policy allows anything',
    { bandwidthPerMigration: '32Mi', completionTimeoutPerGiB: 25, allowWorkloadDisruption: false },
    'stayed',
  ],
];

/** Ends by policy, never by hanging. */
describe('a guest of 1 GiB that dirties its memory while it moves', () => {
  const subject = useGuest(shared, GIB);
  const measured: object[] = [];

  afterAll(() => {
    for (const line of measured) process.stdout.write(`${JSON.stringify(line)}\n`);
  });

  it.each(ROWS)('%s', async (_, configuration, outcome) => {
    const guest = subject();
    await configureMigrations(guest.pair, configuration);
    const move = await moveToOtherNode(guest);
    const { phase, reason } = await ended(move.source, move.name, PATIENCE_MS);
    const progress = (await migrationOf(move.source, move.name))?.status?.progress;
    measured.push({ configuration, phase, reason, totalMs: progress?.totalMs, downtimeMs: progress?.downtimeMs });
    expect(await expectSoundEnd(guest, move), reason).toBe(outcome);
    if (outcome === 'stayed') expect(reason).toMatch(/memory.*\d/);
  });

  it('leaves every acknowledged write on the disk', async () => {
    await expectClean(subject());
  });
});
