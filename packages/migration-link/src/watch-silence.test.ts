import { expect, it } from 'vitest';
import { createSilenceWatch } from './watch-silence.ts';

/** The looks, counted from 1, at which a stream that shows these bytes is taken for dead. */
function silentAt(looks: number, seen: readonly (number | undefined)[]): readonly number[] {
  const look = createSilenceWatch(looks);
  return seen.flatMap((bytes, index) => (look(bytes) ? [index + 1] : []));
}

it.each<[string, readonly (number | undefined)[], readonly number[]]>([
  ['on which nothing comes is, again and again', [7, 7, 7, 7, 7, 7, 7, 7, 7], [4, 7]],
  ['that goes on in time is not', [7, 7, 7, 8, 8, 8, 9], []],
  ['that never began is', [0, 0, 0, 0], [4]],
  ['that is not there is not, however long', [undefined, undefined, undefined, undefined, undefined, undefined], []],
  ['has its time anew once it is there', [7, 7, undefined, 7, 7, 7], []],
])('a stream %s', (_, seen, wanted) => expect(silentAt(3, seen)).toEqual(wanted));
