import type { KubeObject } from '@godwit/api';
import { formatAge, formatDuration } from './age.ts';
import type { TableView } from './types.ts';
import { age, at, count, items, labelText, orNone, selectorText, size, text, view } from './view.ts';

const WIDE = ['Containers*', 'Images*', 'Selector*'];

function wide(object: KubeObject, template: unknown = at(object, 'spec', 'template')): string[] {
  const containers = items(template, 'spec', 'containers');
  return [
    containers.map((container) => text(container, 'name')).join(','),
    containers.map((container) => text(container, 'image')).join(','),
    selectorText(at(object, 'spec', 'selector')),
  ];
}

function desired(object: KubeObject): number {
  return typeof at(object, 'spec', 'replicas') === 'number' ? count(object, 'spec', 'replicas') : 1;
}

function jobStatus(job: KubeObject): string {
  const holds = (type: string): boolean =>
    items(job, 'status', 'conditions').some(
      (condition) => text(condition, 'type') === type && text(condition, 'status') === 'True',
    );
  if (holds('Complete')) return 'Complete';
  if (holds('Failed')) return 'Failed';
  if (job.metadata.deletionTimestamp !== undefined) return 'Terminating';
  if (holds('Suspended')) return 'Suspended';
  return holds('FailureTarget') ? 'FailureTarget' : 'Running';
}

function completions(job: KubeObject): string {
  const succeeded = count(job, 'status', 'succeeded');
  const wanted = at(job, 'spec', 'completions');
  if (typeof wanted === 'number') return `${succeeded}/${wanted}`;
  const parallel = count(job, 'spec', 'parallelism');
  return parallel > 1 ? `${succeeded}/1 of ${parallel}` : `${succeeded}/1`;
}

function duration(job: KubeObject, nowMs: number): string {
  const start = Date.parse(text(job, 'status', 'startTime'));
  const end = Date.parse(text(job, 'status', 'completionTime'));
  return Number.isNaN(start) ? '' : formatDuration((Number.isNaN(end) ? nowMs : end) - start);
}

/** Views of apps, batch and policy kinds, by `group/Kind`. */
export const workloadViews: Readonly<Record<string, TableView>> = {
  'apps/Deployment': view(['Ready', 'Up-to-date:integer', 'Available:integer', 'Age', ...WIDE], (object, nowMs) => [
    `${count(object, 'status', 'readyReplicas')}/${desired(object)}`,
    count(object, 'status', 'updatedReplicas'),
    count(object, 'status', 'availableReplicas'),
    age(object, nowMs),
    ...wide(object),
  ]),
  'apps/ReplicaSet': view(['Desired:integer', 'Current:integer', 'Ready:integer', 'Age', ...WIDE], (object, nowMs) => [
    desired(object),
    count(object, 'status', 'replicas'),
    count(object, 'status', 'readyReplicas'),
    age(object, nowMs),
    ...wide(object),
  ]),
  'apps/StatefulSet': view(['Ready', 'Age', 'Containers*', 'Images*'], (object, nowMs) => [
    `${count(object, 'status', 'readyReplicas')}/${desired(object)}`,
    age(object, nowMs),
    ...wide(object).slice(0, 2),
  ]),
  'apps/DaemonSet': view(
    [
      'Desired:integer',
      'Current:integer',
      'Ready:integer',
      'Up-to-date:integer',
      'Available:integer',
      'Node Selector',
      'Age',
      ...WIDE,
    ],
    (object, nowMs) => [
      count(object, 'status', 'desiredNumberScheduled'),
      count(object, 'status', 'currentNumberScheduled'),
      count(object, 'status', 'numberReady'),
      count(object, 'status', 'updatedNumberScheduled'),
      count(object, 'status', 'numberAvailable'),
      labelText(at(object, 'spec', 'template', 'spec', 'nodeSelector')),
      age(object, nowMs),
      ...wide(object),
    ],
  ),
  'batch/Job': view(['Status', 'Completions', 'Duration', 'Age', ...WIDE], (job, nowMs) => [
    jobStatus(job),
    completions(job),
    duration(job, nowMs),
    age(job, nowMs),
    ...wide(job),
  ]),
  'batch/CronJob': view(
    ['Schedule', 'Timezone', 'Suspend', 'Active:integer', 'Last Schedule', 'Age', ...WIDE],
    (object, nowMs) => [
      text(object, 'spec', 'schedule'),
      orNone(text(object, 'spec', 'timeZone')),
      at(object, 'spec', 'suspend') === true ? 'True' : 'False',
      size(at(object, 'status', 'active')),
      text(object, 'status', 'lastScheduleTime') === ''
        ? '<none>'
        : formatAge(text(object, 'status', 'lastScheduleTime'), nowMs),
      age(object, nowMs),
      ...wide(object, at(object, 'spec', 'jobTemplate', 'spec', 'template')),
    ],
  ),
  'policy/PodDisruptionBudget': view(
    ['Min Available', 'Max Unavailable', 'Allowed Disruptions:integer', 'Age'],
    (object, nowMs) => [
      orNone(text(object, 'spec', 'minAvailable'), 'N/A'),
      orNone(text(object, 'spec', 'maxUnavailable'), 'N/A'),
      count(object, 'status', 'disruptionsAllowed'),
      age(object, nowMs),
    ],
  ),
};
