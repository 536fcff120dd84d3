import { findCondition } from '@godwit/api';
import type { VirtualMachineInstanceMigration } from '@godwit/api';

/** When the migration entered its present phase; its creation before the first one. */
export function enteredAt(migration: VirtualMachineInstanceMigration): number {
  const phase = migration.status?.phase ?? '';
  const entry = migration.status?.phaseTransitionTimestamps?.find((one) => one.phase === phase);
  return Date.parse(entry?.phaseTransitionTimestamp ?? migration.metadata.creationTimestamp ?? '') || 0;
}

/** Milliseconds left of `limitMs` in this phase; zero or less when it is over. */
export function remainingMs(migration: VirtualMachineInstanceMigration, limitMs: number, nowMs: number): number {
  return enteredAt(migration) + limitMs - nowMs;
}

/** Since when the migration waits for this very reason; undefined when it waits for another or not at all. */
export function waitingSince(migration: VirtualMachineInstanceMigration, reason: string): number | undefined {
  const condition = findCondition(migration.status?.conditions, 'migrationWaiting');
  if (condition?.status !== 'True' || condition.reason !== reason) return undefined;
  return Date.parse(condition.lastTransitionTime ?? '') || undefined;
}

/** A limit in milliseconds, overridden per object by an annotation in seconds. */
export function limitOf(migration: VirtualMachineInstanceMigration, annotation: string, defaultMs: number): number {
  const seconds = Number(migration.metadata.annotations?.[annotation]);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : defaultMs;
}

export const timeoutAnnotations = {
  unschedulablePod: 'kubevirt.io/migrationUnschedulablePodTimeoutSeconds',
  pendingPod: 'kubevirt.io/migrationPendingPodTimeoutSeconds',
  sync: 'godwit.dev/migrationSyncTimeoutSeconds',
} as const;
