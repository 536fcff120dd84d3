import type { KubeObject } from '@godwit/api';
import { forbidden, notFound } from '../api-error.ts';
import { textAt } from '../kinds/fields.ts';
import type { ServedKind } from '../kinds/served-kind.ts';
import type { AdmissionPlugin, AdmissionRequest, ObjectReader, ObjectWriter } from '../plugins.ts';
import { resources } from '@godwit/api';
import type { WriteContext } from './write-context.ts';

export interface Admission {
  mutate(request: AdmissionRequest, warnings: string[]): Promise<void>;
  validate(request: AdmissionRequest, warnings: string[]): Promise<void>;
  /** Creations with the same key take turns. */
  exclusive(request: AdmissionRequest): string | undefined;
  evicting(request: AdmissionRequest, warnings: string[], writer: ObjectWriter): Promise<void>;
}

/** Runs the plug-ins in their order, every `mutate` before any `validate`. */
export function createAdmission(plugins: readonly AdmissionPlugin[], reader: ObjectReader): Admission {
  return {
    async mutate(request, warnings) {
      for (const plugin of plugins) warnings.push(...((await plugin.mutate?.(request, reader)) ?? []));
    },
    async validate(request, warnings) {
      for (const plugin of plugins) warnings.push(...((await plugin.validate?.(request, reader)) ?? []));
    },
    exclusive(request) {
      return plugins.map((plugin) => plugin.exclusive?.(request)).find((key) => key !== undefined);
    },
    async evicting(request, warnings, writer) {
      for (const plugin of plugins) warnings.push(...((await plugin.evicting?.(request, writer)) ?? []));
    },
  };
}

/** The request a plug-in sees. `resource` is a plain ResourceKind of the version the client used. */
export function admissionRequest(
  operation: AdmissionRequest['operation'],
  kind: ServedKind,
  subresource: string,
  object: KubeObject | undefined,
  oldObject: KubeObject | undefined,
  context: WriteContext,
): AdmissionRequest {
  const meta = object?.metadata ?? oldObject?.metadata ?? {};
  const { group, version, plural, namespaced } = kind;
  return {
    operation,
    resource: { group, version, plural, kind: kind.kind, namespaced },
    subresource,
    namespace: meta.namespace ?? '',
    name: meta.name ?? '',
    object,
    oldObject,
    user: context.user,
    dryRun: context.dryRun,
  };
}

/** Refuses creation in a namespace that does not exist (404) or is going away (403). */
export function requireActiveNamespace(kind: ServedKind, namespace: string, name: string, reader: ObjectReader): void {
  if (!kind.namespaced) return;
  const found = reader.get(resources.namespaces, namespace);
  if (!found) throw notFound(resources.namespaces, namespace);
  if (found.metadata.deletionTimestamp === undefined && textAt(found, 'status.phase') !== 'Terminating') return;
  const message = `namespace ${namespace} is being terminated`;
  throw forbidden(kind, name, `unable to create new content in namespace ${namespace} because it is being terminated`, [
    { reason: 'NamespaceTerminating', message, field: 'metadata.namespace' },
  ]);
}
