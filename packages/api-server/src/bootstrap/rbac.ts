import type { KubeObject } from '@godwit/api';
import type { PolicyRule } from '../auth/rbac-types.ts';

const API_VERSION = 'rbac.authorization.k8s.io/v1';
const READ = ['get', 'list', 'watch'];
const CHANGE = ['create', 'delete', 'deletecollection', 'patch', 'update'];
const SUBRESOURCES = 'subresources.kubevirt.io';

function role(name: string, rules: readonly PolicyRule[], labels?: Record<string, string>): KubeObject {
  return {
    apiVersion: API_VERSION,
    kind: 'ClusterRole',
    metadata: { name, labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults', ...labels } },
    rules,
  };
}

function binding(name: string, groups: readonly string[]): KubeObject {
  return {
    apiVersion: API_VERSION,
    kind: 'ClusterRoleBinding',
    metadata: { name, labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults' } },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
    subjects: groups.map((group) => ({ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: group })),
  };
}

function aggregated(name: string): KubeObject {
  const label = `rbac.authorization.k8s.io/aggregate-to-${name}`;
  return { ...role(name, []), aggregationRule: { clusterRoleSelectors: [{ matchLabels: { [label]: 'true' } }] } };
}

function rule(apiGroup: string, resources: readonly string[], verbs: readonly string[]): PolicyRule {
  return { apiGroups: [apiGroup], resources, verbs };
}

/** What a node agent does: reads what runs on its node, reports about it, and asks for certificates. */
const nodeRules: readonly PolicyRule[] = [
  rule(
    '',
    ['pods', 'configmaps', 'secrets', 'nodes', 'persistentvolumeclaims', 'persistentvolumes', 'namespaces'],
    READ,
  ),
  rule(
    '',
    ['pods', 'pods/status', 'persistentvolumeclaims', 'persistentvolumeclaims/status', 'persistentvolumes'],
    ['patch', 'update'],
  ),
  rule('', ['persistentvolumes/status', 'nodes/status'], ['patch', 'update']),
  // A released volume's bytes are on its node: the agent there starts the deletion and ends it.
  rule('', ['pods', 'persistentvolumes'], ['delete']),
  rule('', ['nodes'], ['create', 'patch', 'update']),
  rule('', ['events'], ['get', 'create', 'patch', 'update']),
  rule('events.k8s.io', ['events'], ['create', 'patch', 'update']),
  rule('storage.k8s.io', ['storageclasses'], READ),
  rule('coordination.k8s.io', ['leases'], ['get', 'list', 'watch', 'create', 'patch', 'update', 'delete']),
  rule('certificates.k8s.io', ['certificatesigningrequests'], ['create', 'get', 'list', 'watch', 'delete']),
  rule(
    'kubevirt.io',
    ['virtualmachines', 'virtualmachineinstances', 'virtualmachineinstancemigrations', 'kubevirts'],
    READ,
  ),
  rule(
    'kubevirt.io',
    [
      'virtualmachineinstances',
      'virtualmachineinstances/status',
      'virtualmachineinstancemigrations',
      'virtualmachineinstancemigrations/status',
    ],
    ['patch', 'update'],
  ),
  rule('migrations.kubevirt.io', ['migrationpolicies'], READ),
  rule('cdi.kubevirt.io', ['datavolumes'], READ),
  rule('authorization.k8s.io', ['subjectaccessreviews'], ['create']),
  rule('authentication.k8s.io', ['tokenreviews'], ['create']),
];

const VM_VERBS = ['start', 'stop', 'restart', 'addvolume', 'removevolume', 'memorydump', 'removememorydump'];
const VMI_VERBS = ['pause', 'unpause', 'freeze', 'unfreeze', 'softreboot', 'reset', 'addvolume', 'removevolume'];
const VMI_VIEWS = ['guestosinfo', 'filesystemlist', 'userlist'];
const VMI_STREAMS = ['console', 'vnc', 'vnc/screenshot', 'portforward', 'vsock', 'usbredir'];

const of = (resource: string, subresources: readonly string[]): string[] =>
  subresources.map((one) => `${resource}/${one}`);

const viewSubresources = rule(
  SUBRESOURCES,
  [
    ...of('virtualmachineinstances', VMI_VIEWS),
    'virtualmachines/expand-spec',
    'virtualmachines/portforward',
    'expand-vm-spec',
  ],
  ['get', 'update'],
);
const editSubresources: readonly PolicyRule[] = [
  viewSubresources,
  rule(SUBRESOURCES, of('virtualmachineinstances', VMI_STREAMS), ['get']),
  rule(SUBRESOURCES, [...of('virtualmachines', VM_VERBS), ...of('virtualmachineinstances', VMI_VERBS)], ['update']),
  // `evacuate/cancel`: authorization sees the first segment.
  rule(SUBRESOURCES, ['virtualmachines/evacuate', 'virtualmachineinstances/evacuate'], ['update']),
];
const KUBEVIRT_KINDS = ['virtualmachines', 'virtualmachineinstances', 'virtualmachineinstancemigrations'];
const uploadTokens = rule('upload.cdi.kubevirt.io', ['uploadtokenrequests'], ['create']);
const CDI_KINDS = ['datavolumes', 'datasources', 'dataimportcrons'];

const everyday: readonly string[] = [
  'pods',
  'configmaps',
  'secrets',
  'services',
  'endpoints',
  'serviceaccounts',
  'persistentvolumeclaims',
  'events',
];

/** Roles and bindings every cluster starts with. The names and groups are those of Kubernetes and KubeVirt. */
export const bootstrapRbac: readonly KubeObject[] = [
  role('cluster-admin', [rule('*', ['*'], ['*']), { nonResourceURLs: ['*'], verbs: ['*'] }]),
  binding('cluster-admin', ['system:masters']),
  role('system:discovery', [
    {
      nonResourceURLs: [
        '/',
        '/api',
        '/api/*',
        '/apis',
        '/apis/*',
        '/healthz',
        '/livez',
        '/openapi',
        '/openapi/*',
        '/readyz',
        '/version',
        '/version/',
      ],
      verbs: ['get'],
    },
  ]),
  binding('system:discovery', ['system:authenticated']),
  role('system:basic-user', [
    rule('authorization.k8s.io', ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'], ['create']),
    rule('authentication.k8s.io', ['selfsubjectreviews'], ['create']),
  ]),
  binding('system:basic-user', ['system:authenticated']),
  // Where uploads go is no secret; CDI lets everybody read it.
  role('cdi.kubevirt.io:config-reader', [rule('cdi.kubevirt.io', ['cdiconfigs'], READ)]),
  binding('cdi.kubevirt.io:config-reader', ['system:authenticated']),
  role('system:public-info-viewer', [
    { nonResourceURLs: ['/healthz', '/livez', '/readyz', '/version', '/version/'], verbs: ['get'] },
  ]),
  binding('system:public-info-viewer', ['system:authenticated', 'system:unauthenticated']),
  role('system:node', nodeRules),
  binding('system:node', ['system:nodes']),
  aggregated('admin'),
  aggregated('edit'),
  aggregated('view'),
  role(
    'system:aggregate-to-view',
    [
      rule(
        '',
        everyday.filter((one) => one !== 'secrets'),
        READ,
      ),
      rule('', ['namespaces'], READ),
    ],
    {
      'rbac.authorization.k8s.io/aggregate-to-view': 'true',
      'rbac.authorization.k8s.io/aggregate-to-edit': 'true',
      'rbac.authorization.k8s.io/aggregate-to-admin': 'true',
    },
  ),
  role(
    'system:aggregate-to-edit',
    [rule('', everyday, [...READ, ...CHANGE]), rule('', ['pods/eviction', 'serviceaccounts/token'], ['create'])],
    {
      'rbac.authorization.k8s.io/aggregate-to-edit': 'true',
      'rbac.authorization.k8s.io/aggregate-to-admin': 'true',
    },
  ),
  role(
    'system:aggregate-to-admin',
    [rule('rbac.authorization.k8s.io', ['roles', 'rolebindings'], [...READ, ...CHANGE])],
    {
      'rbac.authorization.k8s.io/aggregate-to-admin': 'true',
    },
  ),
  role(
    'kubevirt.io:admin',
    [
      ...editSubresources,
      rule(SUBRESOURCES, ['virtualmachines/migrate'], ['update']),
      rule(SUBRESOURCES, ['virtualmachineinstances/resolve'], ['get', 'update']),
      rule('kubevirt.io', KUBEVIRT_KINDS, [...READ, ...CHANGE]),
      rule('kubevirt.io', ['kubevirts'], ['get', 'list']),
      rule('cdi.kubevirt.io', CDI_KINDS, [...READ, ...CHANGE]),
      uploadTokens,
      rule('migrations.kubevirt.io', ['migrationpolicies'], READ),
    ],
    { 'rbac.authorization.k8s.io/aggregate-to-admin': 'true' },
  ),
  role(
    'kubevirt.io:edit',
    [
      ...editSubresources,
      rule('kubevirt.io', ['virtualmachines', 'virtualmachineinstances'], [...READ, ...CHANGE]),
      rule('kubevirt.io', ['virtualmachineinstancemigrations'], READ),
      rule('kubevirt.io', ['kubevirts'], ['get', 'list']),
      rule('cdi.kubevirt.io', CDI_KINDS, [...READ, ...CHANGE]),
      uploadTokens,
      rule('migrations.kubevirt.io', ['migrationpolicies'], READ),
    ],
    { 'rbac.authorization.k8s.io/aggregate-to-edit': 'true' },
  ),
  role(
    'kubevirt.io:view',
    [
      viewSubresources,
      rule('kubevirt.io', KUBEVIRT_KINDS, READ),
      rule('kubevirt.io', ['kubevirts'], ['get', 'list']),
      rule('cdi.kubevirt.io', CDI_KINDS, READ),
      rule('migrations.kubevirt.io', ['migrationpolicies'], READ),
    ],
    { 'rbac.authorization.k8s.io/aggregate-to-view': 'true' },
  ),
  role('kubevirt.io:migrate', [
    rule(SUBRESOURCES, ['virtualmachines/migrate'], ['update']),
    rule('kubevirt.io', ['virtualmachineinstancemigrations'], [...READ, ...CHANGE]),
  ]),
];
