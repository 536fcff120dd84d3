import { GodwitError } from '@godwit/core/errors';
import { silentLogger } from '@godwit/core/logger';
import type { LinkCredentials } from '@godwit/migration-link';
import { createTestAuthority } from '@godwit/migration-link/testing';
import { fakeClock } from '@godwit/reconcile/testing';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { freshCredentials, type Renew } from './fresh-credentials.ts';

const MINUTE = 60_000;
const identity = { id: 'm', namespace: 'ns', name: 'vm' };
let old: LinkCredentials;
let next: LinkCredentials;
/** When `old` was made; the certificate of `next` is good for three hours. */
let madeMs: number;

beforeAll(async () => {
  const authority = await createTestAuthority();
  madeMs = Date.now();
  old = await authority.issue(identity, 'source');
  next = await authority.issue(identity, 'source', undefined, 3);
});

function fresh(renew: Renew | undefined) {
  const clock = fakeClock(madeMs);
  return { clock, credentials: freshCredentials(old, renew, { clock, log: silentLogger }) };
}

describe('credentials of a migration', () => {
  it('are asked for anew shortly before they expire, once for all who want them', async () => {
    const renew = vi.fn<Renew>(async () => next);
    const { clock, credentials } = fresh(renew);
    clock.advance(40 * MINUTE);
    expect(await credentials.get()).toBe(old);
    expect(renew).not.toHaveBeenCalled();
    clock.advance(15 * MINUTE);
    // What is good for minutes still is not kept back.
    expect(await Promise.all([credentials.get(), credentials.get()])).toEqual([old, old]);
    await vi.waitFor(async () => expect(await credentials.get()).toBe(next));
    expect(renew).toHaveBeenCalledTimes(1);
  });

  it('are awaited only when those at hand are about to expire', async () => {
    const signed = Promise.withResolvers<LinkCredentials>();
    const renew = vi.fn<Renew>(() => signed.promise);
    const { clock, credentials } = fresh(renew);
    clock.advance(55 * MINUTE);
    expect(await credentials.get()).toBe(old);
    clock.advance(4.5 * MINUTE);
    const awaited = credentials.get();
    signed.resolve(next);
    expect(await awaited).toBe(next);
    expect(renew).toHaveBeenCalledTimes(1);
  });

  it('stay what they are when nobody gives others, until somebody does', async () => {
    const renew = vi.fn<Renew>(async () => next).mockRejectedValueOnce(new Error('no API server'));
    const { clock, credentials } = fresh(renew);
    clock.advance(2 * 60 * MINUTE);
    expect(await credentials.get()).toBe(old);
    // Whoever asks again and again does not have the cluster asked as often.
    expect(await credentials.get()).toBe(old);
    expect(renew).toHaveBeenCalledTimes(1);
    clock.advance(MINUTE / 2);
    expect(await credentials.get()).toBe(next);
    expect(await fresh(undefined).credentials.get()).toBe(old);
  });

  it('are told to who follows them, before the old ones expire', async () => {
    const renew = vi.fn<Renew>(async () => next).mockRejectedValueOnce(new Error('no API server'));
    const { clock, credentials } = fresh(renew);
    const told: LinkCredentials[] = [];
    const stop = credentials.follow((one) => told.push(one));
    clock.advance(45 * MINUTE);
    expect(renew).not.toHaveBeenCalled();
    clock.advance(6 * MINUTE);
    await vi.waitFor(() => expect(renew).toHaveBeenCalledTimes(1));
    // Tried again before the hour is over.
    await vi.waitFor(() => {
      clock.advance(MINUTE / 2);
      expect(told).toEqual([next]);
    });
    expect(clock.now()).toBeLessThan(madeMs + 60 * MINUTE);
    stop();
    clock.advance(3 * 60 * MINUTE);
    expect(renew).toHaveBeenCalledTimes(2);
  });

  it('that are refused are asked for ever more rarely', async () => {
    const denied = new GodwitError('MIGRATION_CERTIFICATE_DENIED', 'migration m is over');
    const renew = vi.fn<Renew>(async () => Promise.reject(denied));
    const { clock, credentials } = fresh(renew);
    const stop = credentials.follow(() => undefined);
    for (let passed = 0; passed < 6 * 60 * MINUTE; passed += MINUTE / 2) {
      clock.advance(MINUTE / 2);
      // oxlint-disable-next-line no-await-in-loop -- time passes step by step
      expect(await credentials.get()).toBe(old);
    }
    stop();
    expect(renew.mock.calls.length).toBeGreaterThan(5);
    expect(renew.mock.calls.length).toBeLessThan(15);
  });
});
