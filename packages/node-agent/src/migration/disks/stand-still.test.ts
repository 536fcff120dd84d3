import type { MirrorProgress } from '@godwit/hypervisor';
import { convergencePolicy } from '@godwit/migration';
import { expect, it } from 'vitest';
import { watchStandStill } from './stand-still.ts';

const mirror = (bytesDone: number, ready = false): MirrorProgress[] => [
  { disk: 'root', bytesTotal: 100, bytesDone, ready, nospace: false },
];

it('gives up a copy of which nothing moves for longer than policy allows, and names the disk', () => {
  const look = watchStandStill(convergencePolicy({ progressTimeout: 3 }));
  look(mirror(1), 0);
  look(mirror(2), 3000);
  look(mirror(2), 6000);
  expect(() => look(mirror(2), 6001)).toThrow(
    'Not a byte of disk root was copied to its target for 3 s, progressTimeout is 3 s. Check the storage of the target and the network to it',
  );
});

it('bears with a copy that rests because of its bandwidth', () => {
  const look = watchStandStill(convergencePolicy({ progressTimeout: 3, bandwidthPerMigration: '1Mi' }));
  look(mirror(2), 0);
  look(mirror(2), 20_000);
  expect(() => look(mirror(2), 20_001)).toThrow('disk root');
});

it('does not mind a copy that is in sync, nor any where policy sets no limit', () => {
  const inSync = watchStandStill(convergencePolicy({ progressTimeout: 3 }));
  inSync(mirror(100, true), 0);
  inSync(mirror(100, true), 60_000);
  const endless = watchStandStill(convergencePolicy({ progressTimeout: 0 }));
  endless(mirror(2), 0);
  endless(mirror(2), 1e9);
});

it('tells a copy that stands still from one that rests because of its bandwidth', () => {
  const look = watchStandStill(convergencePolicy({ progressTimeout: 150 }));
  expect([0, 2000, 2001].map((atMs) => look(mirror(2), atMs))).toEqual([false, false, true]);
  expect(look(mirror(3), 2002)).toBe(false);
  expect([4000, 6001].map((atMs) => look(mirror(4, true), atMs))).toEqual([false, true]);
  expect(look(mirror(100, true), 9000)).toBe(false);
  const limited = watchStandStill(convergencePolicy({ progressTimeout: 150, bandwidthPerMigration: '1Mi' }));
  expect([0, 20_000, 20_001].map((atMs) => limited(mirror(2), atMs))).toEqual([false, false, true]);
});
