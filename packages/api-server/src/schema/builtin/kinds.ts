import type { JsonSchema } from '../types.ts';
import { messageOf } from './messages.ts';
import { kindSchema } from './schemas.ts';

/** Table packages of the API groups; all are served as v1. */
const PACKAGES: Readonly<Record<string, string>> = {
  '': 'core',
  apps: 'apps',
  batch: 'batch',
  autoscaling: 'autoscaling',
  policy: 'policy',
  'storage.k8s.io': 'storage',
  'scheduling.k8s.io': 'scheduling',
  'coordination.k8s.io': 'coordination',
  'events.k8s.io': 'events',
  'discovery.k8s.io': 'discovery',
  'rbac.authorization.k8s.io': 'rbac',
  'authentication.k8s.io': 'authentication',
  'authorization.k8s.io': 'authorization',
  'certificates.k8s.io': 'certificates',
  'admissionregistration.k8s.io': 'admissionregistration',
  'apiextensions.k8s.io': 'apiextensions',
  'apiregistration.k8s.io': 'apiregistration',
  'meta.k8s.io': 'meta',
};

/** `package.Message` of a built-in kind; undefined when the tables do not hold it. */
export function builtInMessage(group: string, version: string, kind: string): string | undefined {
  const name = `${PACKAGES[group]}.${kind}`;
  return version === 'v1' && messageOf(name) ? name : undefined;
}

const schemas = new Map<string, JsonSchema | undefined>();

/** Field schema of a built-in kind with its patch and list extensions; undefined for kinds not held here. */
export function builtInSchema(group: string, version: string, kind: string): JsonSchema | undefined {
  const name = builtInMessage(group, version, kind);
  if (name === undefined) return undefined;
  if (!schemas.has(name)) schemas.set(name, kindSchema(name));
  return schemas.get(name);
}
