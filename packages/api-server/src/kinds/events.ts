import type { KubeObject } from '@godwit/api';

/** Field names in `v1` and in `events.k8s.io/v1`. */
const RENAMED = [
  ['involvedObject', 'regarding'],
  ['message', 'note'],
  ['reportingComponent', 'reportingController'],
  ['source', 'deprecatedSource'],
  ['firstTimestamp', 'deprecatedFirstTimestamp'],
  ['lastTimestamp', 'deprecatedLastTimestamp'],
  ['count', 'deprecatedCount'],
] as const;

function rename(object: KubeObject, apiVersion: string, pairs: readonly (readonly [string, string])[]): KubeObject {
  const renamed: KubeObject = { ...object, apiVersion };
  for (const [from, to] of pairs) {
    if (object[from] === undefined) continue;
    renamed[to] = object[from];
    delete renamed[from];
  }
  return renamed;
}

/** A stored event as `events.k8s.io/v1` shows it. */
export function eventFromCore(object: KubeObject): KubeObject {
  return rename(object, 'events.k8s.io/v1', RENAMED);
}

export function eventToCore(object: KubeObject): KubeObject {
  return rename(
    object,
    'v1',
    RENAMED.map(([core, modern]) => [modern, core] as const),
  );
}
