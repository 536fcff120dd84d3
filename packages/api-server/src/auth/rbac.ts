import type { KubeObject, LabelSelector } from '@godwit/api';
import { isObject } from '@godwit/core/json';
import type { UserInfo } from '../plugins.ts';
import { matchesLabelSelector } from '../selectors/match-labels.ts';
import type { AccessAttributes, PolicyRule, RbacSource } from './rbac-types.ts';

export interface Decision {
  readonly allowed: boolean;
  /** Which binding allowed it; empty when nothing did. */
  readonly reason: string;
}

/** authorization.k8s.io/v1 `SubjectRulesReviewStatus`. */
export interface SubjectRules {
  readonly resourceRules: readonly PolicyRule[];
  readonly nonResourceRules: readonly PolicyRule[];
  readonly incomplete: boolean;
}

const EVERYTHING: readonly PolicyRule[] = [
  { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
  { verbs: ['*'], nonResourceURLs: ['*'] },
];

/** Whether RBAC, which only ever adds permissions, lets a user do something. Group `system:masters` may do everything. */
export function authorize(source: RbacSource, user: UserInfo, attributes: AccessAttributes): Decision {
  const namespace = attributes.path === undefined ? (attributes.namespace ?? '') : '';
  for (const { rules, reason } of grants(source, user, namespace)) {
    if (rules.some((rule) => permits(rule, attributes))) return { allowed: true, reason };
  }
  return { allowed: false, reason: '' };
}

/** Every rule that applies to a user in a namespace, cluster-wide ones included. */
export function rulesFor(source: RbacSource, user: UserInfo, namespace: string): SubjectRules {
  const rules = [...grants(source, user, namespace)].flatMap((grant) => grant.rules);
  return {
    resourceRules: rules.filter((rule) => rule.resources !== undefined && rule.resources.length > 0),
    nonResourceRules: rules.filter((rule) => rule.nonResourceURLs !== undefined && rule.nonResourceURLs.length > 0),
    incomplete: false,
  };
}

function* grants(
  source: RbacSource,
  user: UserInfo,
  namespace: string,
): Generator<{ rules: readonly PolicyRule[]; reason: string }> {
  if (user.groups.includes('system:masters')) yield { rules: EVERYTHING, reason: 'group system:masters' };
  for (const binding of source.clusterRoleBindings()) {
    if (!bindsUser(binding, user, '')) continue;
    yield { rules: rulesOf(source, binding, ''), reason: described('ClusterRoleBinding', binding) };
  }
  if (namespace === '') return;
  for (const binding of source.roleBindings(namespace)) {
    if (!bindsUser(binding, user, namespace)) continue;
    yield { rules: rulesOf(source, binding, namespace), reason: described('RoleBinding', binding) };
  }
}

function bindsUser(binding: KubeObject, user: UserInfo, namespace: string): boolean {
  return objects(binding['subjects']).some((subject) => {
    const { kind, name } = subject;
    if (typeof name !== 'string') return false;
    switch (kind) {
      case 'User':
        return name === user.username;
      case 'Group':
        return user.groups.includes(name);
      case 'ServiceAccount': {
        const home = typeof subject['namespace'] === 'string' ? subject['namespace'] : namespace;
        return home !== '' && user.username === `system:serviceaccount:${home}:${name}`;
      }
      default:
        return false;
    }
  });
}

function rulesOf(source: RbacSource, binding: KubeObject, namespace: string): readonly PolicyRule[] {
  const reference = binding['roleRef'];
  if (!isObject(reference)) return [];
  const named = (role: KubeObject): boolean => role.metadata.name === reference['name'];
  if (reference['kind'] === 'Role') {
    const role = namespace === '' ? undefined : source.roles(namespace).find(named);
    return role ? policyRules(role) : [];
  }
  if (reference['kind'] !== 'ClusterRole') return [];
  const clusterRoles = source.clusterRoles();
  const role = clusterRoles.find(named);
  return role ? [...policyRules(role), ...aggregatedRules(role, clusterRoles)] : [];
}

/** Rules of the roles an aggregated ClusterRole selects; worked out here instead of written back by a controller. */
function aggregatedRules(role: KubeObject, clusterRoles: readonly KubeObject[]): PolicyRule[] {
  const aggregation = role['aggregationRule'];
  // The casts are safe: the schema was checked when the object was written.
  const selectors = isObject(aggregation) ? (objects(aggregation['clusterRoleSelectors']) as LabelSelector[]) : [];
  if (selectors.length === 0) return [];
  return clusterRoles
    .filter((other) => other !== role && selectors.some((one) => matchesLabelSelector(one, other.metadata.labels)))
    .flatMap(policyRules);
}

function policyRules(role: KubeObject): PolicyRule[] {
  return objects(role['rules']) as PolicyRule[];
}

function permits(rule: PolicyRule, wanted: AccessAttributes): boolean {
  if (!has(rule.verbs, wanted.verb)) return false;
  if (wanted.path !== undefined) return (rule.nonResourceURLs ?? []).some((url) => matchesPath(url, wanted.path ?? ''));
  return (
    has(rule.apiGroups, wanted.group ?? '') &&
    matchesResource(rule, wanted.resource ?? '', wanted.subresource ?? '') &&
    (rule.resourceNames === undefined ||
      rule.resourceNames.length === 0 ||
      (wanted.name !== undefined && wanted.name !== '' && rule.resourceNames.includes(wanted.name)))
  );
}

function matchesResource(rule: PolicyRule, resource: string, subresource: string): boolean {
  const full = subresource === '' ? resource : `${resource}/${subresource}`;
  return (rule.resources ?? []).some(
    (entry) => entry === '*' || entry === full || (subresource !== '' && entry === `*/${subresource}`),
  );
}

function matchesPath(url: string, path: string): boolean {
  return url.endsWith('*') ? path.startsWith(url.slice(0, -1)) : url === path;
}

function has(list: readonly string[] | undefined, entry: string): boolean {
  return list !== undefined && (list.includes('*') || list.includes(entry));
}

function objects(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function described(kind: string, binding: KubeObject): string {
  const reference = isObject(binding['roleRef']) ? binding['roleRef'] : {};
  return `RBAC: allowed by ${kind} "${binding.metadata.name}" of ${String(reference['kind'])} "${String(reference['name'])}"`;
}
