import { createHash } from 'node:crypto';
import { findCondition, names, resources, withCondition, withoutCondition } from '@godwit/api';
import type {
  Condition,
  Stored,
  VirtualMachineInstance,
  VirtualMachineInstanceMigration,
  VmiMigrationState,
} from '@godwit/api';
import { backoffMs } from '@godwit/core/backoff';
import type { Clock } from '@godwit/core/clock';
import { describeError, isGodwitError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type { KubeClient } from '@godwit/kube-client';
import { vmiKeyOf } from '../migration/observe.ts';
import { enteredAt } from '../migration/timing.ts';
import type { VirtCaches } from '../virt/caches.ts';
import { isFinalMigration, kindOf } from '../virt/facts.ts';
import { writeDifference } from '../virt/write.ts';
import { farewell, outgoing } from './payload.ts';
import type { Outgoing } from './payload.ts';
import type { Peers } from './peers.ts';

type Migration = Stored<VirtualMachineInstanceMigration>;
type Instance = Stored<VirtualMachineInstance>;

/** A peer that cannot be told how it ended is given up after this time; it has deadlines of its own. */
const FAREWELL_MS = 60_000;
const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 2_000;
/** The peer may have restarted and lost nothing but time: say it again now and then. */
const REPEAT_MS = 30_000;

interface Memory {
  sent: string;
  sentAtMs: number;
  failures: number;
  /** No attempt before this moment; our own reports of trouble must not cause the next one. */
  notBeforeMs: number;
  cancelled: boolean;
  /** What the VMI said of this migration when it was last seen. */
  record?: VmiMigrationState | undefined;
}

export interface OutboundOptions {
  readonly client: KubeClient;
  readonly caches: VirtCaches;
  readonly peers: Peers;
  readonly clock: Clock;
  readonly log: Logger;
  readonly ownAddress: () => string;
}

export interface Outbound {
  reconcile(migration: Migration): Promise<number | undefined>;
}

const FAILURE = 'DecentralizedLiveMigrationFailure';

/** Tells peers what changed here, and whether that worked; forgets a migration when both sides know how it ended. */
export function createOutbound(options: OutboundOptions): Outbound {
  const { client, caches, peers, clock, log } = options;
  const memories = new Map<string, Memory>();

  function memoryOf(uid: string): Memory {
    let memory = memories.get(uid);
    if (!memory) {
      memory = { sent: '', sentAtMs: 0, failures: 0, notBeforeMs: 0, cancelled: false };
      memories.set(uid, memory);
    }
    return memory;
  }

  async function setFinalizer(migration: Migration, present: boolean): Promise<void> {
    const old = migration.metadata.finalizers ?? [];
    if (old.includes(names.synchronizationFinalizer) === present) return;
    const finalizers = present
      ? [...old, names.synchronizationFinalizer]
      : old.filter((one) => one !== names.synchronizationFinalizer);
    const next = { ...migration, metadata: { ...migration.metadata, finalizers } };
    await writeDifference<VirtualMachineInstanceMigration>(
      client,
      resources.virtualMachineInstanceMigrations,
      migration,
      next,
      { statusSubresource: true },
    );
  }

  async function tellVmi(vmi: Instance | undefined, trouble: string | undefined): Promise<void> {
    if (!vmi) return;
    const old = vmi.status?.conditions ?? [];
    const condition: Condition = {
      type: FAILURE,
      status: 'True',
      reason: 'DecentralizedNotLiveMigratable',
      message: trouble ?? '',
    };
    const conditions =
      trouble === undefined ? withoutCondition(old, FAILURE) : withCondition(old, condition, clock.now());
    if (conditions === old || (trouble !== undefined && findCondition(old, FAILURE)?.message === trouble)) return;
    const next = { ...vmi, status: { ...vmi.status, conditions: [...conditions] } };
    await writeDifference<VirtualMachineInstance>(client, resources.virtualMachineInstances, vmi, next, {
      statusSubresource: false,
    });
  }

  /** Tries the addresses in turn: the one a peer reports may lie behind a translation that only the user's passes. */
  async function deliver(message: Outgoing, memory: Memory, send: (address: string) => Promise<void>): Promise<void> {
    const address = message.addresses[memory.failures % message.addresses.length] ?? '';
    try {
      await send(address);
      memory.failures = 0;
    } catch (error) {
      memory.notBeforeMs = clock.now() + backoffMs(memory.failures, FIRST_RETRY_MS, LONGEST_RETRY_MS);
      memory.failures += 1;
      throw error;
    }
  }

  async function cancelPeer(migration: Migration, message: Outgoing | undefined, memory: Memory): Promise<void> {
    const { peerMigrationUid } = message ?? {};
    if (memory.cancelled || !message || peerMigrationUid === undefined) return;
    log.info(
      { VirtualMachineInstanceMigration: migration.metadata.name, peer: peerMigrationUid },
      'cancelling at the other cluster',
    );
    await deliver(message, memory, (address) => peers.cancel(address, peerMigrationUid));
    memory.cancelled = true;
  }

  async function push(message: Outgoing | undefined, memory: Memory): Promise<void> {
    if (!message) return;
    const digest = createHash('sha256').update(message.addresses.join()).update(message.statusJson).digest('hex');
    const now = clock.now();
    // A timer that fires a moment early must not put the repetition off by a whole period.
    if (memory.sent === digest && now - memory.sentAtMs < REPEAT_MS * 0.9) return;
    await deliver(message, memory, (address) =>
      peers.sync(address, message.role, message.migrationId, message.statusJson),
    );
    memory.sent = digest;
    memory.sentAtMs = now;
  }

  function closeUnused(): void {
    const needed = new Set<string>();
    for (const migration of caches.migrations.list()) {
      if (kindOf(migration) === 'local') continue;
      if (isFinalMigration(migration) && !migration.metadata.finalizers?.includes(names.synchronizationFinalizer))
        continue;
      for (const address of outgoing(migration, caches.instances.get(vmiKeyOf(migration)), '')?.addresses ?? [])
        needed.add(address);
    }
    peers.keepOnly(needed);
  }

  return {
    async reconcile(migration) {
      const final = isFinalMigration(migration);
      const deleted = migration.metadata.deletionTimestamp !== undefined;
      const held = migration.metadata.finalizers?.includes(names.synchronizationFinalizer) === true;
      if (final && !held) return undefined;
      if (!final && !deleted && !held) {
        await setFinalizer(migration, true);
        return undefined;
      }
      const vmi = caches.instances.get(vmiKeyOf(migration));
      const memory = memoryOf(migration.metadata.uid);
      const current = outgoing(migration, vmi, options.ownAddress());
      if (current) memory.record = vmi?.status?.migrationState;
      const pauseMs = memory.notBeforeMs - clock.now();
      if (pauseMs > 0) return pauseMs;
      const last = memory.record ?? migration.status?.migrationState;
      const message = current ?? farewell(migration, last, options.ownAddress());
      let trouble: string | undefined;
      try {
        await push(message, memory);
        if (deleted) await cancelPeer(migration, message, memory);
      } catch (error) {
        // A peer without its half of a finished migration knows all it needs.
        const gone = isGodwitError(error, 'SYNC_REFUSED') && error.message.includes('unable to locate VMI');
        if (!(final && gone)) trouble = describeError(error);
      }
      if (!final) await tellVmi(vmi, trouble);
      if (trouble === undefined) {
        if (!final) return REPEAT_MS;
      } else if (!final || clock.now() - enteredAt(migration) < FAREWELL_MS) {
        return Math.max(1, memory.notBeforeMs - clock.now());
      }
      await tellVmi(vmi, undefined);
      await setFinalizer(migration, false);
      memories.delete(migration.metadata.uid);
      closeUnused();
      return undefined;
    },
  };
}
