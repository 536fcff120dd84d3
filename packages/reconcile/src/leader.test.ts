import { resources } from '@godwit/api';
import type { Lease } from '@godwit/api';
import { silentLogger } from '@godwit/core/logger';
import { waitFor } from '@godwit/core/wait';
import { createMemoryKube } from '@godwit/kube-client/testing';
import { describe, expect, it } from 'vitest';
import { judgeLease, runElection } from './leader.ts';
import { fakeClock } from './testing/fake-clock.ts';

const lease = (holderIdentity: string): Lease => ({
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: { name: 'l', namespace: 'default' },
  spec: { holderIdentity, leaseDurationSeconds: 15 },
});

describe('leader election', () => {
  it.each([
    ['nobody ever held it', undefined, 0, 'create'],
    ['it was given back', lease(''), 0, 'take'],
    ['we hold it', lease('me'), 60_000, 'renew'],
    ['another holds it', lease('other'), 14_999, 'wait'],
    ['the holder is silent', lease('other'), 15_001, 'take'],
  ])('%s', (_, seen, unchangedMs, verdict) => {
    expect(judgeLease(seen, 'me', unchangedMs, 15_000)).toBe(verdict);
  });

  it('has one leader, and a new one when it goes', async () => {
    const clock = fakeClock();
    const { client } = createMemoryKube({ clock });
    const elect = (identity: string) =>
      runElection(client, { namespace: 'default', name: 'l', identity, onLost: () => undefined }, clock, silentLogger);
    const first = elect('first');
    await first.elected;
    const second = elect('second');
    let secondLeads = false;
    void second.elected.then(() => (secondLeads = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(secondLeads).toBe(false);
    await first.stop();
    clock.advance(3_000);
    await waitFor(() => secondLeads, { timeoutMs: 1_000, intervalMs: 2, what: 'the second leader' });
    expect((await client.get<Lease>(resources.leases, 'l', 'default'))?.spec?.holderIdentity).toBe('second');
    await second.stop();
  });
});
