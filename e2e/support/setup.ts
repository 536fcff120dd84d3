import { afterAll, beforeAll } from 'vitest';
import type { Storage } from '../../apps/cli/src/commands/demo/objects.ts';
import { bootGuest } from './guest.ts';
import type { GuestUnderTest, Load } from './guest.ts';
import { startPair } from './pair.ts';

/** One pair of clusters and one guest in `alpha` for all tests of the file, which run in order and hand the guest on. */
export function useGuest(storage: Storage, load?: Load): () => GuestUnderTest {
  const owned = new AsyncDisposableStack();
  let subject: GuestUnderTest | undefined;
  beforeAll(async () => {
    subject = owned.use(await bootGuest(owned.use(await startPair()), storage, load));
  });
  afterAll(async () => {
    await owned.disposeAsync();
  });
  return () => {
    if (subject === undefined) throw new Error('The guest is there from the first test on');
    return subject;
  };
}
