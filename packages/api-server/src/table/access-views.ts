import type { KubeObject } from '@godwit/api';
import { isObject } from '@godwit/core/json';
import { formatDuration } from './age.ts';
import type { TableView } from './types.ts';
import { age, at, count, items, orNone, size, text, view } from './view.ts';

/** For kinds without columns of their own; the time stays RFC 3339. */
export const plainView = view(['Created At:date'], (object) => [object.metadata.creationTimestamp ?? null]);

const bindings = view(['Role', 'Age', 'Users*', 'Groups*', 'ServiceAccounts*'], (binding, nowMs) => {
  const subjects = (kind: string): unknown[] =>
    items(binding, 'subjects').filter((subject) => text(subject, 'kind') === kind);
  const names = (kind: string): string =>
    subjects(kind)
      .map((subject) => text(subject, 'name'))
      .join(', ');
  return [
    `${text(binding, 'roleRef', 'kind')}/${text(binding, 'roleRef', 'name')}`,
    age(binding, nowMs),
    names('User'),
    names('Group'),
    subjects('ServiceAccount')
      .map((subject) => `${text(subject, 'namespace')}/${text(subject, 'name')}`)
      .join(', '),
  ];
});

const webhooks = view(['Webhooks:integer', 'Age'], (object, nowMs) => [
  size(at(object, 'webhooks')),
  age(object, nowMs),
]);

const apiServices = view(['Service', 'Available', 'Age'], (object, nowMs) => {
  const service = at(object, 'spec', 'service');
  const condition = items(object, 'status', 'conditions').find((entry) => text(entry, 'type') === 'Available');
  const status = condition === undefined ? 'Unknown' : text(condition, 'status');
  return [
    service === undefined ? 'Local' : `${text(service, 'namespace')}/${text(service, 'name')}`,
    status === 'False' ? `False (${text(condition, 'reason')})` : status,
    age(object, nowMs),
  ];
});

const signingRequests = view(['Age', 'SignerName', 'Requestor', 'RequestedDuration', 'Condition'], (object, nowMs) => {
  const seconds = count(object, 'spec', 'expirationSeconds');
  return [
    age(object, nowMs),
    orNone(text(object, 'spec', 'signerName')),
    text(object, 'spec', 'username'),
    seconds === 0 ? '<none>' : formatDuration(seconds * 1000),
    signingState(object),
  ];
});

function signingState(object: KubeObject): string {
  const types = new Set(items(object, 'status', 'conditions').map((condition) => text(condition, 'type')));
  const states = ['Approved', 'Denied', 'Failed'].filter((type) => types.has(type));
  if (text(object, 'status', 'certificate') !== '') states.push('Issued');
  return orNone(states.join(','), 'Pending');
}

const resourceText = (object: KubeObject, prefix: string): string => {
  const hard = at(object, 'status', 'hard');
  const names = isObject(hard)
    ? Object.keys(hard).filter((name) => name.startsWith('limits.') === (prefix === 'limits.'))
    : [];
  const used = (name: string): string => text(object, 'status', 'used', name) || '0';
  return names
    .toSorted()
    .map((name) => `${name}: ${used(name)}/${text(hard, name)}`)
    .join(', ');
};

const quotas = view(['Request', 'Limit', 'Age'], (object, nowMs) => [
  resourceText(object, ''),
  resourceText(object, 'limits.'),
  age(object, nowMs),
]);

const priorityClasses = view(
  ['Value:integer', 'Global-Default:boolean', 'Age', 'PreemptionPolicy'],
  (object, nowMs) => [
    count(object, 'value'),
    at(object, 'globalDefault') === true,
    age(object, nowMs),
    text(object, 'preemptionPolicy'),
  ],
);

const attachments = view(['Attacher', 'PV', 'Node', 'Attached:boolean', 'Age'], (object, nowMs) => [
  text(object, 'spec', 'attacher'),
  text(object, 'spec', 'source', 'persistentVolumeName'),
  text(object, 'spec', 'nodeName'),
  at(object, 'status', 'attached') === true,
  age(object, nowMs),
]);

/** Views of access control, registration, certificate and quota kinds, by `group/Kind`. */
export const accessViews: Readonly<Record<string, TableView>> = {
  'rbac.authorization.k8s.io/RoleBinding': bindings,
  'rbac.authorization.k8s.io/ClusterRoleBinding': bindings,
  'admissionregistration.k8s.io/ValidatingWebhookConfiguration': webhooks,
  'admissionregistration.k8s.io/MutatingWebhookConfiguration': webhooks,
  'apiregistration.k8s.io/APIService': apiServices,
  'certificates.k8s.io/CertificateSigningRequest': signingRequests,
  '/ResourceQuota': quotas,
  'scheduling.k8s.io/PriorityClass': priorityClasses,
  'storage.k8s.io/VolumeAttachment': attachments,
  'storage.k8s.io/CSINode': view(['Drivers:integer', 'Age'], (object, nowMs) => [
    size(at(object, 'spec', 'drivers')),
    age(object, nowMs),
  ]),
};
