import { formatBytesQuantity, readQuantity } from '@godwit/core/quantity';
import type { Pod } from './core-kinds.ts';
import type { KubeObject } from './meta.ts';

export interface ResourceQuota extends KubeObject {
  spec?: { hard?: Readonly<Record<string, string>>; scopes?: readonly string[]; scopeSelector?: unknown };
  status?: { hard?: Readonly<Record<string, string>>; used?: Readonly<Record<string, string>> };
}

interface Counted {
  readonly of: (pod: Pod) => number;
  readonly say: (amount: number) => string;
}

/** Cores, or bytes. As in Kubernetes a limit without a request is a request; a quantity that cannot be read counts for nothing. */
export function requested(pod: Pod, resource: 'cpu' | 'memory'): number {
  return pod.spec.containers.reduce((sum, { resources }) => {
    const asked = resources?.requests?.[resource] ?? resources?.limits?.[resource];
    return sum + ((asked === undefined ? undefined : readQuantity(asked)) ?? 0);
  }, 0);
}

const pods: Counted = { of: () => 1, say: String };
const cpu: Counted = {
  of: (pod) => requested(pod, 'cpu'),
  say: (cores) => {
    const milli = Math.round(cores * 1000);
    return milli % 1000 === 0 ? String(milli / 1000) : `${milli}m`;
  },
};
const memory: Counted = {
  of: (pod) => requested(pod, 'memory'),
  say: (bytes) => formatBytesQuantity(Math.round(bytes)),
};

/** What is counted of the pods of a namespace, by the names that quotas have for it. */
const COUNTED: Readonly<Record<string, Counted>> = {
  pods,
  'count/pods': pods,
  cpu,
  'requests.cpu': cpu,
  memory,
  'requests.memory': memory,
};

/** Paths of a quota that limit nothing here: what is not counted of pods, and scopes. */
export function idleQuotaFields({ spec = {} }: ResourceQuota): string[] {
  if ((spec.scopes ?? []).length > 0) return ['spec.scopes'];
  if (spec.scopeSelector !== undefined && spec.scopeSelector !== null) return ['spec.scopeSelector'];
  return Object.keys(spec.hard ?? {}).flatMap((name) => (name in COUNTED ? [] : [`spec.hard[${name}]`]));
}

function limitsOf(
  quota: ResourceQuota,
): readonly { readonly name: string; readonly counted: Counted; readonly hard: string }[] {
  if (idleQuotaFields(quota).some((field) => field.startsWith('spec.scope'))) return [];
  return Object.entries(quota.spec?.hard ?? {}).flatMap(([name, hard]) => {
    const counted = COUNTED[name];
    return counted ? [{ name, counted, hard }] : [];
  });
}

function usedBy(living: readonly Pod[], { of }: Counted): number {
  return living.reduce((sum, pod) => sum + of(pod), 0);
}

/** Pods that have ended use nothing. */
function alive(list: readonly Pod[]): readonly Pod[] {
  return list.filter(({ status }) => status?.phase !== 'Succeeded' && status?.phase !== 'Failed');
}

/** Status of a quota in a namespace with these pods. */
export function quotaStatus(quota: ResourceQuota, inNamespace: readonly Pod[]): NonNullable<ResourceQuota['status']> {
  const living = alive(inNamespace);
  const limits = limitsOf(quota);
  return {
    hard: Object.fromEntries(limits.map(({ name, hard }) => [name, hard])),
    used: Object.fromEntries(limits.map(({ name, counted }) => [name, counted.say(usedBy(living, counted))])),
  };
}

/** Tenths of a core add up to a little more than they are. */
function isMore(amount: number, limit: number): boolean {
  return Math.round((amount - limit) * 1e6) > 0;
}

/** Why a pod more is too much for a quota, in the words of the Kubernetes API server; undefined when it is not. */
export function exceededQuota(quota: ResourceQuota, inNamespace: readonly Pod[], pod: Pod): string | undefined {
  const living = alive(inNamespace);
  const limits = limitsOf(quota).map((limit) => ({ ...limit, most: readQuantity(limit.hard) }));
  // Stored before quantities were checked: how much is too much, nobody knows.
  const unread = limits.find(({ most, counted }) => most === undefined && counted.of(pod) > 0);
  if (unread)
    return `quota ${quota.metadata.name ?? ''}: spec.hard[${unread.name}]: "${unread.hard}" is not a quantity such as 500m or 10Gi; correct it`;
  const over = limits.flatMap(({ name, counted, hard, most = 0 }) => {
    const [used, asked] = [usedBy(living, counted), counted.of(pod)];
    return asked > 0 && isMore(used + asked, most) ? [{ name, hard, used, asked, ...counted }] : [];
  });
  if (over.length === 0) return undefined;
  const list = (of: (one: (typeof over)[number]) => string): string =>
    over.map((one) => `${one.name}=${of(one)}`).join(',');
  const requestedText = list(({ say, asked }) => say(asked));
  const usedText = list(({ say, used }) => say(used));
  return `exceeded quota: ${quota.metadata.name ?? ''}, requested: ${requestedText}, used: ${usedText}, limited: ${list(({ hard }) => hard)}`;
}
