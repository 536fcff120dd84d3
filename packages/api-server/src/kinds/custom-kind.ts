import type { KubeObject } from '@godwit/api';
import { pruneAndDefault } from '../schema/prune.ts';
import type { JsonSchema } from '../schema/types.ts';
import type { CrdVersion, CustomResourceDefinition } from './crd-types.ts';
import { textAt } from './fields.ts';
import { ALL_VERBS } from './served-kind.ts';
import type { ServedKind } from './served-kind.ts';

const OPEN_SCHEMA: JsonSchema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };

/** Version priority of Kubernetes: GA, beta, alpha, each with greater numbers first; then other names alphabetically. */
export function compareVersions(a: string, b: string): number {
  const rank = (version: string): readonly [number, number, number] => {
    const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version);
    if (!match) return [0, 0, 0];
    const stage = match[2] === undefined ? 3 : match[2] === 'beta' ? 2 : 1;
    return [stage, Number(match[1]), Number(match[3] ?? 0)];
  };
  const [left, right] = [rank(a), rank(b)];
  return right[0] - left[0] || right[1] - left[1] || right[2] - left[2] || (a < b ? -1 : a > b ? 1 : 0);
}

/** Reads stored objects as one version: `apiVersion` rewritten, then pruned and defaulted. Remembers what it made. */
function reader(apiVersion: string, schema: JsonSchema): (stored: KubeObject) => KubeObject {
  const views = new WeakMap<KubeObject, KubeObject>();
  return (stored) => {
    const known = views.get(stored);
    if (known) return known;
    // The cast is safe: pruning an object gives an object, and keeps kind and metadata.
    const view = pruneAndDefault(schema, stored).value as KubeObject;
    const result: KubeObject = { ...view, apiVersion, metadata: stored.metadata };
    views.set(stored, result);
    return result;
  };
}

function servedVersion(crd: CustomResourceDefinition, version: CrdVersion, historyStart: number): ServedKind {
  const { group, names, scope, versions } = crd.spec;
  const storageVersion = versions.find((one) => one.storage)?.name ?? version.name;
  const schema = version.schema?.openAPIV3Schema ?? OPEN_SCHEMA;
  const apiVersion = `${group}/${version.name}`;
  const selectable = version.selectableFields ?? [];
  const hasStatus = version.subresources?.status !== undefined;
  return {
    group,
    version: version.name,
    plural: names.plural,
    kind: names.kind,
    namespaced: scope === 'Namespaced',
    storeKey: `${names.plural}.${group}`,
    singular: names.singular ?? names.kind.toLowerCase(),
    listKind: names.listKind ?? `${names.kind}List`,
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    verbs: ALL_VERBS,
    custom: true,
    schema,
    hasStatus,
    scale: version.subresources?.scale,
    subresources: [],
    strategy: {},
    generation: hasStatus ? 'spec' : 'everything',
    nameRule: 'subdomain',
    versionRequired: true,
    createOnUpdate: false,
    historyStart,
    printerColumns: version.additionalPrinterColumns ?? [
      { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
    ],
    deprecationWarning: version.deprecated
      ? (version.deprecationWarning ?? `${apiVersion} ${names.kind} is deprecated`)
      : undefined,
    fieldSelectors: Object.fromEntries(
      selectable.map(({ jsonPath }) => {
        const path = jsonPath.replace(/^\./, '');
        return [path, (object: KubeObject) => textAt(object, path)];
      }),
    ),
    read: reader(apiVersion, schema),
    write: (object) => ({ ...object, apiVersion: `${group}/${storageVersion}` }),
  };
}

/** Every served version of a CRD, best first. */
export function customKinds(crd: CustomResourceDefinition, historyStart: number): ServedKind[] {
  return crd.spec.versions
    .filter((version) => version.served)
    .toSorted((a, b) => compareVersions(a.name, b.name))
    .map((version) => servedVersion(crd, version, historyStart));
}
