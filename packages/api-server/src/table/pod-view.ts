import type { KubeObject } from '@godwit/api';
import { formatDuration } from './age.ts';
import { age, at, count, items, orNone, text, view } from './view.ts';

/** Pods as kubectl lists them; the Status column condenses phase, container states and deletion into one word. */
export const podView = view(
  ['Ready', 'Status', 'Restarts', 'Age', 'IP*', 'Node*', 'Nominated Node*', 'Readiness Gates*'],
  (pod, nowMs) => {
    const statuses = items(pod, 'status', 'containerStatuses');
    const ready = statuses.filter(
      (status) => at(status, 'ready') === true && at(status, 'state', 'terminated') === undefined,
    ).length;
    const ips = items(pod, 'status', 'podIPs');
    return [
      `${ready}/${items(pod, 'spec', 'containers').length}`,
      podStatus(pod),
      restarts(statuses, nowMs),
      age(pod, nowMs),
      orNone(text(ips[0], 'ip') || text(pod, 'status', 'podIP')),
      orNone(text(pod, 'spec', 'nodeName')),
      orNone(text(pod, 'status', 'nominatedNodeName')),
      readinessGates(pod),
    ];
  },
);

function podStatus(pod: KubeObject): string {
  const reason = text(pod, 'status', 'reason');
  if (pod.metadata.deletionTimestamp !== undefined) return reason === 'NodeLost' ? 'Unknown' : 'Terminating';
  return initStatus(pod) ?? containerStatus(pod) ?? (reason || text(pod, 'status', 'phase'));
}

/** What the first unfinished init container does; undefined when all are done. */
function initStatus(pod: KubeObject): string | undefined {
  const statuses = items(pod, 'status', 'initContainerStatuses');
  for (const [i, status] of statuses.entries()) {
    const terminated = at(status, 'state', 'terminated');
    if (terminated !== undefined && count(terminated, 'exitCode') === 0) continue;
    if (terminated !== undefined) return `Init:${terminatedText(terminated)}`;
    const waiting = text(status, 'state', 'waiting', 'reason');
    if (waiting !== '' && waiting !== 'PodInitializing') return `Init:${waiting}`;
    return `Init:${i}/${items(pod, 'spec', 'initContainers').length}`;
  }
  return undefined;
}

function containerStatus(pod: KubeObject): string | undefined {
  let found: string | undefined;
  let isRunning = false;
  for (const status of items(pod, 'status', 'containerStatuses').toReversed()) {
    const waiting = text(status, 'state', 'waiting', 'reason');
    const terminated = at(status, 'state', 'terminated');
    if (waiting !== '') found = waiting;
    else if (terminated !== undefined) found = terminatedText(terminated);
    else if (at(status, 'ready') === true && at(status, 'state', 'running') !== undefined) isRunning = true;
  }
  if (found !== 'Completed' || !isRunning) return found;
  const ready = items(pod, 'status', 'conditions').some(
    (condition) => text(condition, 'type') === 'Ready' && text(condition, 'status') === 'True',
  );
  return ready ? 'Running' : 'NotReady';
}

function terminatedText(terminated: unknown): string {
  const reason = text(terminated, 'reason');
  if (reason !== '') return reason;
  const signal = count(terminated, 'signal');
  return signal === 0 ? `ExitCode:${count(terminated, 'exitCode')}` : `Signal:${signal}`;
}

function restarts(statuses: unknown[], nowMs: number): string {
  const total = statuses.reduce<number>((sum, status) => sum + count(status, 'restartCount'), 0);
  const last = Math.max(
    ...statuses.map((status) => Date.parse(text(status, 'lastState', 'terminated', 'finishedAt')) || 0),
  );
  return total > 0 && last > 0 ? `${total} (${formatDuration(nowMs - last)} ago)` : String(total);
}

function readinessGates(pod: KubeObject): string {
  const gates = items(pod, 'spec', 'readinessGates');
  const met = gates.filter((gate) =>
    items(pod, 'status', 'conditions').some(
      (condition) => text(condition, 'type') === text(gate, 'conditionType') && text(condition, 'status') === 'True',
    ),
  );
  return gates.length === 0 ? '<none>' : `${met.length}/${gates.length}`;
}
