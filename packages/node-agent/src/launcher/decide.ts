import { names } from '@godwit/api';
import type { Pod, Stored, VirtualMachineInstance } from '@godwit/api';
import type { Waiting } from './claims.ts';
import type { Custody } from './held-machines.ts';
import type { MachineEnd } from './record.ts';

/** Everything a decision about one launcher pod rests on. */
export interface SeenLauncher {
  readonly pod: Stored<Pod>;
  /** The VMI the pod was made for; a namesake with another UID counts as absent. */
  readonly vmi: Stored<VirtualMachineInstance> | undefined;
  /** What its volumes still wait for. */
  readonly waiting: Waiting | undefined;
  /** Present while this node holds the pod's QEMU. */
  readonly machine: { readonly custody: Custody } | undefined;
  /** A QEMU was started for this pod before. */
  readonly launched: boolean;
  /** Why that QEMU does not let itself be adopted yet. */
  readonly silent?: string | undefined;
  readonly end: MachineEnd | undefined;
  /** A migration executor works for this pod, with or without a QEMU. */
  readonly migrating: boolean;
  /** How far that migration is cannot be found out. */
  readonly unreadable?: boolean;
  /** Since when the guest is to switch itself off, and when it was last asked to by ACPI; 0: it could not be asked yet. */
  readonly powerDown: { readonly firstAtMs: number; readonly lastAtMs: number } | undefined;
}

export type LauncherPlan =
  | { readonly do: 'nothing'; readonly because: string }
  /** Forget a finished pod's files and let the object go. */
  | { readonly do: 'remove' }
  | { readonly do: 'report-end'; readonly end: MachineEnd }
  /** The end is told: the pod needs no agent any more to go. */
  | { readonly do: 'unguard' }
  /** `guest`: that is to end as well; with `press` it is asked to where it runs at home, which its migration does not do. */
  | { readonly do: 'abort-migration'; readonly guest?: 'ask' | 'force'; readonly press?: boolean }
  | { readonly do: 'power-down'; readonly lookAgainMs: number }
  | { readonly do: 'await-power-down'; readonly lookAgainMs: number }
  /** A guest that cannot be asked yet; its time counts all the same. */
  | { readonly do: 'await-answer'; readonly lookAgainMs: number }
  | { readonly do: 'kill'; readonly message: string }
  | { readonly do: 'report-running' }
  /** Its QEMU does not answer: the VMI says so. */
  | { readonly do: 'report-silent'; readonly why: string }
  | { readonly do: 'wait'; readonly waiting: Waiting }
  | { readonly do: 'prepare-target' }
  | { readonly do: 'launch' }
  | { readonly do: 'fail'; readonly reason: string; readonly message: string };

export function isMigrationTarget(pod: Pod): boolean {
  return pod.metadata.labels?.[names.migrationJobUidLabel] !== undefined;
}

export function isFinished(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

/** It has the finalizer that keeps it while its QEMU may live. */
export function isGuarded(pod: Pod): boolean {
  return pod.metadata.finalizers?.includes(names.qemuFinalizer) === true;
}

/** A guest is started once in its life: never for a VMI that runs, or ran, somewhere. */
const STARTABLE: readonly (string | undefined)[] = [undefined, '', 'Pending', 'Scheduling', 'Scheduled'];

/** A guest that is just starting does not hear the first press. */
const PRESS_AGAIN_MS = 10_000;

function isPressed({ powerDown }: SeenLauncher, nowMs: number): boolean {
  return powerDown !== undefined && nowMs - powerDown.lastAtMs < PRESS_AGAIN_MS;
}

/** Time the guest still has to shut down by itself. */
function graceLeftMs({ pod, vmi, powerDown }: SeenLauncher, nowMs: number): number {
  if (pod.metadata.deletionGracePeriodSeconds === 0) return 0;
  // Kubernetes writes the moment at which the pod's grace period is over; the guest's own may be shorter.
  const podDeadlineMs = Date.parse(pod.metadata.deletionTimestamp ?? '');
  const guestGraceSeconds = vmi?.spec.terminationGracePeriodSeconds;
  const guestDeadlineMs =
    guestGraceSeconds === undefined ? Infinity : (powerDown?.firstAtMs ?? nowMs) + guestGraceSeconds * 1000;
  return Math.min(podDeadlineMs, guestDeadlineMs) - nowMs;
}

/**
 * The next step for a QEMU that may live and write, and does not let itself be adopted: no other one may start beside it, and
 * its pod may go only after it. `undefined`: that of any other.
 */
function decideSilent(seen: SeenLauncher, why: string, nowMs: number): LauncherPlan | undefined {
  const { pod, vmi, migrating } = seen;
  if (pod.metadata.deletionTimestamp === undefined) return migrating ? undefined : { do: 'report-silent', why };
  // Its guest may live on elsewhere: that is for the migration to find out.
  if (migrating && vmi !== undefined && vmi.metadata.deletionTimestamp === undefined) return undefined;
  const leftMs = graceLeftMs(seen, nowMs);
  if (!(leftMs > 0))
    return { do: 'kill', message: `nobody could ask the guest to shut down within its grace period: ${why}` };
  return migrating ? undefined : { do: 'await-answer', lookAgainMs: leftMs };
}

function decideDeletion(seen: SeenLauncher, nowMs: number): LauncherPlan {
  const { pod, machine, end } = seen;
  // Once its QEMU has ended, nothing of such a migration is left here; a VMI that lives may still need somebody to find out.
  const vmiLives = seen.vmi !== undefined && seen.vmi.metadata.deletionTimestamp === undefined;
  const isForgettable = seen.unreadable === true && end !== undefined && !machine && !vmiLives;
  if (machine?.custody === 'migration' || (seen.migrating && !isForgettable)) {
    // A pod may go without its guest, which then has another.
    if (seen.vmi?.metadata.deletionTimestamp === undefined) return { do: 'abort-migration' };
    if (!(graceLeftMs(seen, nowMs) > 0)) return { do: 'abort-migration', guest: 'force' };
    return { do: 'abort-migration', guest: 'ask', press: !isPressed(seen, nowMs) };
  }
  if (machine) {
    // The guest's own time begins when it is asked.
    const leftMs = graceLeftMs(seen.powerDown?.lastAtMs === 0 ? { ...seen, powerDown: undefined } : seen, nowMs);
    if (!(leftMs > 0)) return { do: 'kill', message: 'the guest did not shut down within its grace period' };
    return { do: isPressed(seen, nowMs) ? 'await-power-down' : 'power-down', lookAgainMs: leftMs };
  }
  if (end && !isFinished(pod)) return { do: 'report-end', end };
  return { do: 'remove' };
}

/** The next step for one launcher pod of this node. */
export function decideLauncher(seen: SeenLauncher, nowMs: number): LauncherPlan {
  const { pod, vmi, machine, end } = seen;
  const silent = seen.silent === undefined || machine ? undefined : decideSilent(seen, seen.silent, nowMs);
  if (silent) return silent;
  if (pod.metadata.deletionTimestamp !== undefined) return decideDeletion(seen, nowMs);
  if (isFinished(pod)) {
    const over = end !== undefined && !machine && !seen.migrating;
    return over && isGuarded(pod) ? { do: 'unguard' } : { do: 'nothing', because: 'finished' };
  }
  if (end) return { do: 'report-end', end };
  if (machine) {
    return machine.custody === 'migration'
      ? { do: 'nothing', because: 'a migration has the machine' }
      : { do: 'report-running' };
  }
  if (seen.migrating) return { do: 'nothing', because: 'a migration is under way' };
  if (!vmi)
    return { do: 'wait', waiting: { reason: 'InstanceNotFound', message: 'the VMI of this pod does not exist' } };
  if (vmi.metadata.deletionTimestamp !== undefined) return { do: 'nothing', because: 'the VMI is being deleted' };
  if (isMigrationTarget(pod)) return seen.waiting ? { do: 'wait', waiting: seen.waiting } : { do: 'prepare-target' };
  if (seen.launched) return { do: 'nothing', because: 'its machine is being adopted' };
  if (!STARTABLE.includes(vmi.status?.phase))
    return {
      do: 'fail',
      reason: 'AlreadyStarted',
      message: `the VMI is ${vmi.status?.phase}, it cannot be started again`,
    };
  return seen.waiting ? { do: 'wait', waiting: seen.waiting } : { do: 'launch' };
}
