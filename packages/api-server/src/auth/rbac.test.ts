import type { KubeObject } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import type { UserInfo } from '../plugins.ts';
import type { PolicyRule, RbacSource } from './rbac-types.ts';
import { authorize, rulesFor } from './rbac.ts';

const object = (kind: string, name: string, fields: Record<string, unknown>, metadata: object = {}): KubeObject => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind,
  metadata: { name, ...metadata },
  ...fields,
});
const role = (name: string, ...rules: PolicyRule[]): KubeObject => object('Role', name, { rules });
const binding = (name: string, roleKind: string, roleName: string, ...subjects: object[]): KubeObject =>
  object('Binding', name, { roleRef: { kind: roleKind, name: roleName }, subjects });
const user = (username: string, ...groups: string[]): UserInfo => ({
  username,
  groups: [...groups, 'system:authenticated'],
});

const source: RbacSource = {
  roles: (namespace) =>
    namespace === 'a'
      ? [role('reader', { verbs: ['get', 'list'], apiGroups: [''], resources: ['configmaps', 'pods/log'] })]
      : [],
  roleBindings: (namespace) =>
    namespace === 'a'
      ? [
          binding('readers', 'Role', 'reader', { kind: 'User', name: 'ann' }, { kind: 'ServiceAccount', name: 'bot' }),
          binding('edit', 'ClusterRole', 'edit', { kind: 'Group', name: 'devs' }),
        ]
      : [],
  clusterRoles: () => [
    role('edit', { verbs: ['*'], apiGroups: ['kubevirt.io'], resources: ['*/status', 'virtualmachines'] }),
    role('one', { verbs: ['get'], apiGroups: ['*'], resources: ['*'], resourceNames: ['x'] }),
    role('health', { verbs: ['get'], nonResourceURLs: ['/healthz', '/metrics/*'] }),
    object('ClusterRole', 'sum', { aggregationRule: { clusterRoleSelectors: [{ matchLabels: { part: 'yes' } }] } }),
    object(
      'ClusterRole',
      'part',
      { rules: [{ verbs: ['list'], apiGroups: [''], resources: ['nodes'] }] },
      { labels: { part: 'yes' } },
    ),
  ],
  clusterRoleBindings: () => [
    binding('names', 'ClusterRole', 'one', { kind: 'User', name: 'ben' }),
    binding('health', 'ClusterRole', 'health', { kind: 'Group', name: 'system:authenticated' }),
    binding('sum', 'ClusterRole', 'sum', { kind: 'ServiceAccount', namespace: 'b', name: 'sum' }),
    binding('wrong', 'Role', 'reader', { kind: 'User', name: 'ben' }),
  ],
};

const ann = user('ann');
const ben = user('ben');
const dev = user('dora', 'devs');

describe('authorize', () => {
  it.each([
    [
      'a role in its namespace',
      ann,
      { verb: 'get', group: '', resource: 'configmaps', namespace: 'a', name: 'x' },
      true,
    ],
    ['another verb', ann, { verb: 'watch', group: '', resource: 'configmaps', namespace: 'a' }, false],
    ['another namespace', ann, { verb: 'get', group: '', resource: 'configmaps', namespace: 'b' }, false],
    ['all namespaces', ann, { verb: 'list', group: '', resource: 'configmaps' }, false],
    ['another group', ann, { verb: 'get', group: 'ex.io', resource: 'configmaps', namespace: 'a' }, false],
    [
      'a subresource named',
      ann,
      { verb: 'get', group: '', resource: 'pods', subresource: 'log', namespace: 'a' },
      true,
    ],
    ['the resource of a named subresource', ann, { verb: 'get', group: '', resource: 'pods', namespace: 'a' }, false],
    [
      'a subresource not named',
      ann,
      { verb: 'get', group: '', resource: 'configmaps', subresource: 'x', namespace: 'a' },
      false,
    ],
    [
      'a service account of the binding namespace',
      user('system:serviceaccount:a:bot'),
      { verb: 'get', group: '', resource: 'configmaps', namespace: 'a' },
      true,
    ],
    [
      'a service account of the same name elsewhere',
      user('system:serviceaccount:b:bot'),
      { verb: 'get', group: '', resource: 'configmaps', namespace: 'a' },
      false,
    ],
    [
      'a cluster role bound in a namespace',
      dev,
      { verb: 'delete', group: 'kubevirt.io', resource: 'virtualmachines', namespace: 'a' },
      true,
    ],
    [
      'that role elsewhere',
      dev,
      { verb: 'delete', group: 'kubevirt.io', resource: 'virtualmachines', namespace: 'b' },
      false,
    ],
    [
      '*/status',
      dev,
      { verb: 'patch', group: 'kubevirt.io', resource: 'datavolumes', subresource: 'status', namespace: 'a' },
      true,
    ],
    ['a named object', ben, { verb: 'get', group: 'ex.io', resource: 'widgets', namespace: 'z', name: 'x' }, true],
    ['another name', ben, { verb: 'get', group: 'ex.io', resource: 'widgets', namespace: 'z', name: 'y' }, false],
    ['no name where one is wanted', ben, { verb: 'get', group: 'ex.io', resource: 'widgets', namespace: 'z' }, false],
    ['a cluster binding to a Role', ben, { verb: 'list', group: '', resource: 'configmaps', namespace: 'a' }, false],
    ['a path', ann, { verb: 'get', path: '/healthz' }, true],
    ['a path by prefix', ann, { verb: 'get', path: '/metrics/x' }, true],
    ['another path', ann, { verb: 'get', path: '/healthz/x' }, false],
    ['an aggregated role', user('system:serviceaccount:b:sum'), { verb: 'list', group: '', resource: 'nodes' }, true],
    ['masters', user('root', 'system:masters'), { verb: 'impersonate', group: '', resource: 'users', name: 'x' }, true],
  ])('%s', (_name, who, attributes, allowed) => {
    const decision = authorize(source, who, attributes);
    expect(decision.allowed).toBe(allowed);
    expect(decision.reason !== '').toBe(allowed);
  });

  it('lists the rules of a user', () => {
    expect(rulesFor(source, ann, 'a')).toEqual({
      resourceRules: [{ verbs: ['get', 'list'], apiGroups: [''], resources: ['configmaps', 'pods/log'] }],
      nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/healthz', '/metrics/*'] }],
      incomplete: false,
    });
    expect(rulesFor(source, user('root', 'system:masters'), 'a').resourceRules[0]?.verbs).toEqual(['*']);
  });
});
