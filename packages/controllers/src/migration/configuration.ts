import { names } from '@godwit/api';
import type { KubeObject, KubeVirt, MigrationConfiguration, VirtualMachineInstance } from '@godwit/api';

/** KubeVirt's defaults. */
export const defaultMigrationConfiguration: MigrationConfiguration = {
  parallelMigrationsPerCluster: 5,
  parallelOutboundMigrationsPerNode: 2,
  bandwidthPerMigration: '0',
  completionTimeoutPerGiB: 150,
  progressTimeout: 150,
  utilityVolumesTimeout: 150,
  maxDowntimeMs: 900,
  allowAutoConverge: false,
  allowPostCopy: false,
  unsafeMigrationOverride: false,
  disableTLS: false,
  nodeDrainTaintKey: 'kubevirt.io/drain',
  matchSELinuxLevelOnMigration: true,
};

/** `migrations.kubevirt.io/v1alpha1` MigrationPolicy. */
export interface MigrationPolicy extends KubeObject {
  spec: {
    selectors?: {
      namespaceSelector?: Record<string, string>;
      virtualMachineInstanceSelector?: Record<string, string>;
    };
    bandwidthPerMigration?: string;
    completionTimeoutPerGiB?: number;
    maxDowntimeMs?: number;
    allowAutoConverge?: boolean;
    allowPostCopy?: boolean;
    allowWorkloadDisruption?: boolean;
    experimental?: NonNullable<MigrationConfiguration['experimental']>;
  };
}

const POLICY_KEYS = [
  'bandwidthPerMigration',
  'completionTimeoutPerGiB',
  'maxDowntimeMs',
  'allowAutoConverge',
  'allowPostCopy',
  'allowWorkloadDisruption',
  'experimental',
] as const;

function holds(selector: Record<string, string>, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value);
}

/**
 * The policy that applies to a VMI: all labels of both selectors must match; most matching labels win, then most VMI
 * labels, then the smallest name. A policy without selectors never applies.
 */
export function matchPolicy<P extends MigrationPolicy>(
  policies: readonly P[],
  vmiLabels: Readonly<Record<string, string>>,
  namespaceLabels: Readonly<Record<string, string>>,
): P | undefined {
  const matching = policies.flatMap((policy) => {
    const vmi = policy.spec.selectors?.virtualMachineInstanceSelector ?? {};
    const namespace = policy.spec.selectors?.namespaceSelector ?? {};
    const ofVmi = Object.keys(vmi).length;
    const all = ofVmi + Object.keys(namespace).length;
    return all > 0 && holds(vmi, vmiLabels) && holds(namespace, namespaceLabels) ? [{ policy, all, ofVmi }] : [];
  });
  const nameOf = (policy: P): string => policy.metadata.name ?? '';
  return matching.toSorted(
    (a, b) => b.all - a.all || b.ofVmi - a.ofVmi || (nameOf(a.policy) < nameOf(b.policy) ? -1 : 1),
  )[0]?.policy;
}

/** The options of one migration: defaults, overlaid by the KubeVirt object, overlaid by the policy. */
export function effectiveConfiguration(
  kubeVirt: KubeVirt | undefined,
  policy: MigrationPolicy | undefined,
): MigrationConfiguration {
  const merged: MigrationConfiguration = {
    ...defaultMigrationConfiguration,
    ...kubeVirt?.spec?.configuration?.migrations,
  };
  const overlay = Object.fromEntries(
    POLICY_KEYS.flatMap((key) => (policy?.spec[key] === undefined ? [] : [[key, policy.spec[key]]])),
  );
  const result: MigrationConfiguration = { ...merged, ...overlay };
  // Unset follows allowPostCopy, as KubeVirt has it.
  result.allowWorkloadDisruption ??= result.allowPostCopy ?? false;
  return result;
}

const DEFAULT_INBOUND = 2;

/** Guests that one node takes in at a time, between clusters included. KubeVirt has no field for it. */
export function inboundLimit(kubeVirt: KubeVirt | undefined): number {
  const asked = Number(kubeVirt?.metadata.annotations?.[names.inboundLimitAnnotation] ?? '');
  return Number.isInteger(asked) && asked > 0 ? asked : DEFAULT_INBOUND;
}

export function labelsOf(object: KubeObject | VirtualMachineInstance | undefined): Readonly<Record<string, string>> {
  return object?.metadata.labels ?? {};
}
