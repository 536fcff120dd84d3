import type { KubeObject } from '@godwit/api';
import { jsonEqual } from '@godwit/core/json';
import type { Cause } from '../api-error.ts';
import { bad, fieldAt, fillIn, immutable, itemsAt, objectAt, required, textAt } from './fields.ts';
import { canonicalizeQuantities, quantityCauses } from './quantities.ts';
import type { Strategy } from './served-kind.ts';

export const namespaceStrategy: Strategy = {
  prepareCreate(namespace) {
    objectAt(namespace, 'spec')['finalizers'] = ['kubernetes'];
    namespace.metadata.labels = {
      ...namespace.metadata.labels,
      'kubernetes.io/metadata.name': namespace.metadata.name ?? '',
    };
  },
  prepareUpdate(namespace, old) {
    // Only /finalize changes them.
    objectAt(namespace, 'spec')['finalizers'] = fieldAt(old, 'spec.finalizers') ?? [];
  },
  initialStatus: () => ({ phase: 'Active' }),
};

export const nodeStrategy: Strategy = {
  defaults(node) {
    objectAt(node, 'spec');
    canonicalizeQuantities(fieldAt(node, 'status.capacity'));
    canonicalizeQuantities(fieldAt(node, 'status.allocatable'));
  },
  keepsStatusOnCreate: true,
};

export const quotaStrategy: Strategy = {
  defaults: (quota) => canonicalizeQuantities(fieldAt(quota, 'spec.hard')),
  validate: (quota) => quantityCauses('spec.hard', fieldAt(quota, 'spec.hard')),
};

const MICRO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(?:Z|[+-]\d\d:\d\d)$/;

/** MicroTime needs exactly six digits; a client that sends another form cannot read ours either. Throws nothing itself. */
export function badMicroTimes(object: KubeObject, paths: readonly string[]): string[] {
  return paths.filter((path) => {
    const value = fieldAt(object, path);
    return value !== undefined && value !== null && (typeof value !== 'string' || !MICRO_TIME.test(value));
  });
}

export const csrStrategy: Strategy = {
  prepareCreate(request, { user }) {
    const spec = objectAt(request, 'spec');
    spec['username'] = user.username;
    spec['groups'] = [...user.groups];
    if (user.uid !== undefined) spec['uid'] = user.uid;
    else delete spec['uid'];
    if (user.extra) spec['extra'] = user.extra;
    else delete spec['extra'];
  },
  initialStatus: () => ({}),
  validate(request) {
    const causes: Cause[] = [];
    if (textAt(request, 'spec.request') === '') causes.push(required('spec.request'));
    if (textAt(request, 'spec.signerName') === '') causes.push(required('spec.signerName'));
    const usages = fieldAt(request, 'spec.usages');
    if (!Array.isArray(usages) || usages.length === 0) causes.push(required('spec.usages'));
    return causes;
  },
  validateUpdate: (request, old) =>
    jsonEqual(fieldAt(request, 'spec'), fieldAt(old, 'spec')) ? [] : [immutable('spec')],
};

export const serviceStrategy: Strategy = {
  defaults(service) {
    const spec = objectAt(service, 'spec');
    fillIn(spec, { type: 'ClusterIP', sessionAffinity: 'None', internalTrafficPolicy: 'Cluster' });
    fillIn(spec, { ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack' });
    for (const port of itemsAt(spec, 'ports')) fillIn(port, { protocol: 'TCP', targetPort: port['port'] });
  },
  prepareCreate(service) {
    const spec = objectAt(service, 'spec');
    if (spec['type'] === 'ExternalName' || spec['clusterIP'] !== undefined) return;
    // Nothing routes to it; it only has to look like one and to stay the same.
    let host = 7;
    for (const letter of service.metadata.name ?? '') host = (host * 31 + letter.charCodeAt(0)) % 65_534;
    const address = `10.96.${(host + 1) >> 8}.${(host + 1) & 255}`;
    spec['clusterIP'] = address;
    spec['clusterIPs'] = [address];
  },
  prepareUpdate(service, old) {
    const spec = objectAt(service, 'spec');
    if (spec['clusterIP'] === undefined) fillIn(spec, { clusterIP: fieldAt(old, 'spec.clusterIP') });
    if (spec['clusterIPs'] === undefined) fillIn(spec, { clusterIPs: fieldAt(old, 'spec.clusterIPs') });
  },
  initialStatus: () => ({ loadBalancer: {} }),
  validateUpdate: (service, old) =>
    textAt(service, 'spec.clusterIP') === textAt(old, 'spec.clusterIP') ? [] : [immutable('spec.clusterIPs[0]')],
};

export const bindingStrategy: Strategy = {
  defaults(binding) {
    for (const subject of itemsAt(binding, 'subjects')) {
      if (subject['kind'] !== 'ServiceAccount') fillIn(subject, { apiGroup: 'rbac.authorization.k8s.io' });
    }
    fillIn(objectAt(binding, 'roleRef'), { apiGroup: 'rbac.authorization.k8s.io' });
  },
  validate: (binding) => (textAt(binding, 'roleRef.name') === '' ? [required('roleRef.name')] : []),
  validateUpdate: (binding, old) => (jsonEqual(binding['roleRef'], old['roleRef']) ? [] : [immutable('roleRef')]),
};

export const eventStrategy: Strategy = {
  validate(event) {
    const involved = textAt(event, 'involvedObject.namespace');
    const own = event.metadata.namespace ?? '';
    const matches = involved === '' ? own === 'default' || own === 'kube-system' : involved === own;
    return matches ? [] : [bad('involvedObject.namespace', `"${involved}": does not match event.namespace`)];
  },
};
