import type { KubeObject } from '@godwit/api';
import { jsonEqual } from '@godwit/core/json';
import type { Cause } from '../api-error.ts';
import { fieldAt, fillIn, forbiddenField, itemsAt, objectAt, required, textAt } from './fields.ts';
import { canonicalizeQuantities, quantityCauses } from './quantities.ts';
import type { Strategy } from './served-kind.ts';

const DEFAULT_GRACE_SECONDS = 30;

function toleration(key: string): object {
  return { key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 };
}

function pullPolicy(image: string): string {
  const name = image.slice(image.lastIndexOf('/') + 1);
  const isLatest = !image.includes('@') && (!name.includes(':') || name.endsWith(':latest'));
  return isLatest ? 'Always' : 'IfNotPresent';
}

function containers(pod: KubeObject): Record<string, unknown>[] {
  return [...itemsAt(pod, 'spec.initContainers'), ...itemsAt(pod, 'spec.containers')];
}

function defaults(pod: KubeObject): void {
  fillIn(objectAt(pod, 'spec'), {
    restartPolicy: 'Always',
    dnsPolicy: 'ClusterFirst',
    terminationGracePeriodSeconds: DEFAULT_GRACE_SECONDS,
    schedulerName: 'default-scheduler',
    securityContext: {},
    enableServiceLinks: true,
  });
  for (const container of containers(pod)) {
    fillIn(container, {
      imagePullPolicy: pullPolicy(textAt(container, 'image')),
      terminationMessagePath: '/dev/termination-log',
      terminationMessagePolicy: 'File',
      resources: {},
    });
    canonicalizeQuantities(fieldAt(container, 'resources.requests'));
    canonicalizeQuantities(fieldAt(container, 'resources.limits'));
  }
}

function qosClass(pod: KubeObject): string {
  const all = containers(pod);
  const lists = all.flatMap((one) => [fieldAt(one, 'resources.requests'), fieldAt(one, 'resources.limits')]);
  if (lists.every((list) => list === undefined || jsonEqual(list, {}))) return 'BestEffort';
  const guaranteed = all.every((one) =>
    ['cpu', 'memory'].every((name) => {
      const limit = textAt(one, `resources.limits.${name}`);
      const request = textAt(one, `resources.requests.${name}`);
      return limit !== '' && (request === '' || request === limit);
    }),
  );
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

function validate(pod: KubeObject): Cause[] {
  const causes: Cause[] = [];
  if (itemsAt(pod, 'spec.containers').length === 0) causes.push(required('spec.containers'));
  for (const [i, container] of itemsAt(pod, 'spec.containers').entries()) {
    if (textAt(container, 'name') === '') causes.push(required(`spec.containers[${i}].name`));
    if (textAt(container, 'image') === '') causes.push(required(`spec.containers[${i}].image`));
    for (const list of ['resources.requests', 'resources.limits'])
      causes.push(...quantityCauses(`spec.containers[${i}].${list}`, fieldAt(container, list)));
  }
  return causes;
}

/** The spec without what may change after creation. */
function frozenPart(pod: KubeObject): unknown {
  const spec = structuredClone(fieldAt(pod, 'spec'));
  const part = objectAt({ spec }, 'spec');
  for (const key of ['activeDeadlineSeconds', 'tolerations', 'terminationGracePeriodSeconds', 'schedulingGates']) {
    delete part[key];
  }
  for (const container of [...itemsAt(part, 'initContainers'), ...itemsAt(part, 'containers')]) {
    delete container['image'];
    delete container['imagePullPolicy'];
  }
  return part;
}

/** Pods: kubelet defaults, an immutable spec, and a delete that leaves a bound pod its grace period. */
export const podStrategy: Strategy = {
  defaults,
  prepareCreate(pod) {
    const spec = objectAt(pod, 'spec');
    fillIn(spec, { serviceAccountName: 'default', serviceAccount: spec['serviceAccountName'] ?? 'default' });
    fillIn(spec, { tolerations: [] });
    const tolerations = itemsAt(spec, 'tolerations');
    for (const key of ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']) {
      const present = tolerations.some(
        (one) => one['key'] === key || (one['key'] === undefined && one['operator'] === 'Exists'),
      );
      if (!present && Array.isArray(spec['tolerations'])) spec['tolerations'].push(toleration(key));
    }
  },
  prepareUpdate(pod, old) {
    // Binding by a plain update: an unset node name may be set once.
    const node = fieldAt(old, 'spec.nodeName');
    if (node !== undefined && textAt(pod, 'spec.nodeName') === '') objectAt(pod, 'spec')['nodeName'] = node;
  },
  validate,
  validateUpdate(pod, old) {
    const before = frozenPart(old);
    const after = frozenPart(pod);
    const bound = textAt(old, 'spec.nodeName');
    if (bound === '' && typeof before === 'object' && before !== null) {
      Object.assign(before, { nodeName: fieldAt(pod, 'spec.nodeName') });
    }
    if (jsonEqual(before, after)) return [];
    return [forbiddenField('spec', 'pod updates may not change fields other than the image, tolerations and the like')];
  },
  initialStatus: (pod) => ({ phase: 'Pending', qosClass: qosClass(pod) }),
  gracePeriod(pod, asked) {
    const phase = textAt(pod, 'status.phase');
    if (textAt(pod, 'spec.nodeName') === '' || phase === 'Succeeded' || phase === 'Failed') return 0;
    const own = fieldAt(pod, 'spec.terminationGracePeriodSeconds');
    const grace = asked ?? (typeof own === 'number' ? own : DEFAULT_GRACE_SECONDS);
    return grace < 0 ? 1 : grace;
  },
};
