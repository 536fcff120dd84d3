import { resources } from '@godwit/api';
import type { Lease, Stored } from '@godwit/api';
import type { Clock } from '@godwit/core/clock';
import { rfc3339Micro } from '@godwit/core/clock';
import { describeError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import { isAlreadyExists, isConflict } from '@godwit/kube-client';
import type { KubeClient } from '@godwit/kube-client';

export interface LeaderElection {
  readonly namespace: string;
  /** Name of the Lease. */
  readonly name: string;
  readonly identity: string;
  /** How long a silent leader keeps the lease; default 15 s. Renewed at a fifth of it. */
  readonly leaseMs?: number;
  /** The lease was lost: this process must stop acting at once. */
  readonly onLost: () => void;
}

export type LeaseVerdict = 'create' | 'take' | 'renew' | 'wait';

/**
 * What to do about the lease seen. A foreign lease is judged by how long *we* have seen it unchanged, not by its
 * timestamps, because clocks differ between machines (as client-go's leaderelection does).
 */
export function judgeLease(
  lease: Lease | undefined,
  identity: string,
  unchangedForMs: number,
  leaseMs: number,
): LeaseVerdict {
  if (!lease) return 'create';
  const holder = lease.spec?.holderIdentity ?? '';
  if (holder === identity) return 'renew';
  if (holder === '') return 'take';
  return unchangedForMs > Math.max(leaseMs, (lease.spec?.leaseDurationSeconds ?? 0) * 1000) ? 'take' : 'wait';
}

/** Takes part in the election until stopped. `elected` resolves when this process first holds the lease. */
export function runElection(
  client: KubeClient,
  options: LeaderElection,
  clock: Clock,
  log: Logger,
): { elected: Promise<void>; stop(): Promise<void> } {
  const leaseMs = options.leaseMs ?? 15_000;
  let cancel = (): void => undefined;
  let stopped = false;
  let held = false;
  let lastRenewal = 0;
  let seen: { version: string; since: number } | undefined;
  let markElected: () => void = () => undefined;
  const elected = new Promise<void>((resolve) => {
    markElected = resolve;
  });

  function spec(old: Lease['spec'], now: number): NonNullable<Lease['spec']> {
    const ours = old?.holderIdentity === options.identity;
    return {
      holderIdentity: options.identity,
      leaseDurationSeconds: Math.ceil(leaseMs / 1000),
      acquireTime: ours ? (old.acquireTime ?? rfc3339Micro(now)) : rfc3339Micro(now),
      renewTime: rfc3339Micro(now),
      leaseTransitions: (old?.leaseTransitions ?? 0) + (ours ? 0 : 1),
    };
  }

  async function attempt(): Promise<void> {
    const now = clock.now();
    const lease: Stored<Lease> | undefined = await client.get<Lease>(resources.leases, options.name, options.namespace);
    if (lease && lease.metadata.resourceVersion !== seen?.version) {
      seen = { version: lease.metadata.resourceVersion, since: now };
    }
    const verdict = judgeLease(lease, options.identity, now - (seen?.since ?? now), leaseMs);
    if (verdict === 'wait') return;
    const metadata = lease?.metadata ?? { name: options.name, namespace: options.namespace };
    const wanted: Lease = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata,
      spec: spec(lease?.spec, now),
    };
    if (lease) await client.update(resources.leases, wanted);
    else await client.create(resources.leases, wanted);
    lastRenewal = now;
    if (!held) log.info({ lease: options.name, identity: options.identity }, 'became the leader');
    held = true;
    markElected();
  }

  async function turn(): Promise<void> {
    try {
      await attempt();
    } catch (error) {
      if (!isConflict(error) && !isAlreadyExists(error)) {
        log.debug({ error: describeError(error) }, 'lease could not be read or written');
      }
    }
    if (stopped) return;
    if (held && clock.now() - lastRenewal > (leaseMs * 2) / 3) {
      held = false;
      stopped = true;
      log.error({ lease: options.name }, 'lost the lease');
      options.onLost();
      return;
    }
    cancel = clock.after(leaseMs / 5, () => {
      void turn();
    });
  }

  void turn();
  return {
    elected,
    async stop() {
      stopped = true;
      cancel();
      if (!held) return;
      held = false;
      try {
        const lease = await client.get<Lease>(resources.leases, options.name, options.namespace);
        if (lease?.spec?.holderIdentity !== options.identity) return;
        await client.update<Lease>(resources.leases, { ...lease, spec: { ...lease.spec, holderIdentity: '' } });
      } catch (error) {
        log.debug({ error: describeError(error) }, 'lease could not be given back');
      }
    },
  };
}
