import { apiVersionOf } from '@godwit/api';
import type { KubeObject } from '@godwit/api';
import { GodwitError } from '@godwit/core/errors';
import { jsonEqual } from '@godwit/core/json';
import { ApiError } from '../api-error.ts';
import { systemUser } from '../background/system-user.ts';
import type { KindRegistry } from '../kinds/kind-registry.ts';
import type { ServedKind } from '../kinds/served-kind.ts';
import { storeKeyOf } from '../objects/object-reader.ts';
import type { ObjectService, ServiceParts } from '../objects/object-service.ts';
import { internalContext } from '../objects/write-context.ts';
import { bootstrapRbac } from './rbac.ts';

const CONTEXT = internalContext(systemUser('bootstrap'));
const NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];

export interface BootstrapParts extends ServiceParts {
  readonly registry: KindRegistry;
  readonly service: ObjectService;
}

function kindOf(registry: KindRegistry, object: KubeObject): ServedKind {
  const kind = registry.kinds().find((one) => one.kind === object.kind && apiVersionOf(one) === object.apiVersion);
  if (kind) return kind;
  throw new GodwitError(
    'BOOTSTRAP_KIND_UNKNOWN',
    `Bootstrap object ${object.metadata.name} is of kind ${object.apiVersion} ${object.kind}, which is not served`,
  );
}

/** Creates an object if it is missing. */
async function ensure(parts: BootstrapParts, object: KubeObject): Promise<void> {
  const kind = kindOf(parts.registry, object);
  const { namespace = '', name = '' } = object.metadata;
  if (parts.store.get(storeKeyOf(kind, namespace, name))) return;
  try {
    await parts.service.create(kind, namespace, object, CONTEXT);
  } catch (error) {
    if (!(error instanceof ApiError) || error.reason !== 'AlreadyExists') throw error;
  }
}

const AUTO_UPDATE = 'rbac.authorization.kubernetes.io/autoupdate';

/** Creates a role or binding; a role of an older version gets the rules it lacks, unless it opted out as in Kubernetes. */
async function ensureRbac(parts: BootstrapParts, wanted: KubeObject): Promise<void> {
  await ensure(parts, wanted);
  if (!Array.isArray(wanted['rules']) || wanted['aggregationRule'] !== undefined) return;
  const rules: unknown[] = wanted['rules'];
  const kind = kindOf(parts.registry, wanted);
  const { name = '' } = wanted.metadata;
  const grown = (old: KubeObject): unknown[] => {
    const has: unknown[] = Array.isArray(old['rules']) ? old['rules'] : [];
    return [...has, ...rules.filter((rule) => !has.some((one) => jsonEqual(one, rule)))];
  };
  const make = (old: KubeObject): KubeObject =>
    old.metadata.annotations?.[AUTO_UPDATE] === 'false' ? old : { ...structuredClone(old), rules: grown(old) };
  await parts.service.update(kind, { namespace: '', name, subresource: '' }, make, CONTEXT);
}

/** Creates a CRD, or gives it the spec it should have. */
async function ensureCrd(parts: BootstrapParts, crd: KubeObject): Promise<void> {
  const kind = kindOf(parts.registry, crd);
  const name = crd.metadata.name ?? '';
  await ensure(parts, crd);
  const target = { namespace: '', name, subresource: '' };
  const make = (old: KubeObject): KubeObject => ({ ...structuredClone(old), spec: structuredClone(crd['spec']) });
  await parts.service.update(kind, target, make, CONTEXT);
}

async function established(parts: BootstrapParts, names: readonly string[]): Promise<void> {
  const missing = (): boolean => names.some((name) => !parts.registry.findByStoreKey(name));
  if (!missing()) return;
  await new Promise<void>((resolve) => {
    const stop = parts.store.watch({
      resource: 'customresourcedefinitions.apiextensions.k8s.io',
      onEvent: () => {
        if (missing()) return;
        stop();
        resolve();
      },
    });
  });
}

/**
 * Brings a store to where a cluster starts: namespaces, roles, then the given objects, CRDs first and waited for.
 * What exists stays as it is, apart from the spec of CRDs and rules that roles of an older version lack. Needs the CRD controller to be running.
 */
export async function applyBootstrap(parts: BootstrapParts, objects: readonly KubeObject[]): Promise<void> {
  for (const name of NAMESPACES) await ensure(parts, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  await Promise.all(bootstrapRbac.map((object) => ensureRbac(parts, object)));
  const crds = objects.filter((object) => object.kind === 'CustomResourceDefinition');
  await Promise.all(crds.map((crd) => ensureCrd(parts, crd)));
  await established(
    parts,
    crds.map((crd) => crd.metadata.name ?? ''),
  );
  // In order: a namespace comes before what lives in it.
  for (const object of objects) if (!crds.includes(object)) await ensure(parts, object);
}
