import { isTrue, withCondition, resources } from '@godwit/api';
import type { Condition } from '@godwit/api';
import { asCrd } from '../kinds/crd-types.ts';
import type { CrdNames, CustomResourceDefinition } from '../kinds/crd-types.ts';
import { objectAt } from '../kinds/fields.ts';
import { CRD_CLEANUP_FINALIZER } from '../objects/object-removal.ts';
import { storedObject } from '../objects/object-reader.ts';
import { dropFinalizer, modifyQuietly, removeQuietly } from './parts.ts';
import type { BackgroundLoop, BackgroundParts } from './parts.ts';
import { systemUser } from './system-user.ts';
import { WorkQueue } from './work-queue.ts';

const USER = systemUser('crd-controller');
const RECHECK_MS = 500;

function claimedNames(names: CrdNames): { kinds: string[]; resources: string[] } {
  const { kind, listKind = `${kind}List`, plural, singular = kind.toLowerCase(), shortNames = [] } = names;
  return { kinds: [kind, listKind], resources: [plural, singular, ...shortNames] };
}

/** What keeps a CRD from having its names: the first clash with an accepted one of its group. */
function nameClash(crd: CustomResourceDefinition, others: readonly CustomResourceDefinition[]): Condition | undefined {
  const wanted = claimedNames(crd.spec.names);
  for (const other of others) {
    const taken = other.status?.acceptedNames;
    if (other.spec.group !== crd.spec.group || other.metadata.uid === crd.metadata.uid || !taken?.plural) continue;
    const { kinds, resources: plurals } = claimedNames(taken);
    const kind = wanted.kinds.find((one) => kinds.includes(one));
    const plural = wanted.resources.find((one) => plurals.includes(one));
    if (kind === undefined && plural === undefined) continue;
    const reason =
      kind === undefined ? 'PluralConflict' : kind === crd.spec.names.kind ? 'KindConflict' : 'ListKindConflict';
    return { type: 'NamesAccepted', status: 'False', reason, message: `"${kind ?? plural}" is already in use` };
  }
  return undefined;
}

/** The status a CRD ought to have, given the other CRDs. */
export function crdStatus(
  crd: CustomResourceDefinition,
  others: readonly CustomResourceDefinition[],
  nowMs: number,
): NonNullable<CustomResourceDefinition['status']> {
  const clash = nameClash(crd, others);
  const established = clash === undefined || isTrue(crd.status?.conditions, 'Established');
  let conditions: readonly Condition[] = crd.status?.conditions ?? [];
  const set = (condition: Condition): void => {
    const next = withCondition(conditions, condition, nowMs);
    // CRD conditions have no probe time.
    conditions = next.map(({ lastProbeTime: _probe, ...rest }) => rest);
  };
  set(clash ?? { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts', message: 'no conflicts found' });
  set(
    established
      ? {
          type: 'Established',
          status: 'True',
          reason: 'InitialNamesAccepted',
          message: 'the initial names have been accepted',
        }
      : { type: 'Established', status: 'False', reason: 'NotAccepted', message: 'not all names are accepted' },
  );
  if (crd.metadata.deletionTimestamp !== undefined) {
    set({
      type: 'Terminating',
      status: 'True',
      reason: 'InstanceDeletionInProgress',
      message: 'CustomResource deletion is in progress',
    });
  }
  const storage = crd.spec.versions.find((version) => version.storage)?.name;
  const stored = crd.status?.storedVersions ?? [];
  return {
    acceptedNames: clash ? (crd.status?.acceptedNames ?? { plural: '', kind: '' }) : crd.spec.names,
    conditions: [...conditions],
    storedVersions: storage === undefined || stored.includes(storage) ? stored : [...stored, storage],
  };
}

/** Establishes CRDs, tells the registry, and empties those that are being deleted. */
export function startCrdController(parts: BackgroundParts): BackgroundLoop {
  const { store, registry, clock, log } = parts;
  const storeKey = 'customresourcedefinitions.apiextensions.k8s.io';
  const queue = new WorkQueue(sync, clock, log);
  const all = (): CustomResourceDefinition[] =>
    store.list(storeKey).items.map((entry) => asCrd(storedObject(entry.value)));

  async function sync(name: string): Promise<void> {
    const crd = all().find((one) => one.metadata.name === name);
    const kind = registry.find('apiextensions.k8s.io', 'v1', resources.customResourceDefinitions.plural);
    if (!crd || !kind) return;
    await modifyQuietly(
      parts,
      kind,
      crd,
      USER,
      (copy) => Object.assign(objectAt(copy, 'status'), crdStatus(asCrd(copy), all(), clock.now())),
      'status',
    );
    if (crd.metadata.deletionTimestamp === undefined) return;
    if (!(crd.metadata.finalizers ?? []).includes(CRD_CLEANUP_FINALIZER)) return;
    const instances = store.list(name).items;
    const instanceKind = registry.findByStoreKey(name);
    for (const entry of instances) {
      const object = storedObject(entry.value);
      if (instanceKind && object.metadata.deletionTimestamp === undefined) {
        await removeQuietly(parts, instanceKind, instanceKind.read(object), USER, { propagation: 'Background' });
      }
    }
    if (instanceKind && store.list(name).items.length > 0) queue.addAfter(name, RECHECK_MS);
    else await modifyQuietly(parts, kind, crd, USER, (copy) => dropFinalizer(copy, CRD_CLEANUP_FINALIZER));
  }

  const stopWatching = store.watch({
    resource: storeKey,
    onEvent(event) {
      const gone = event.type === 'DELETED';
      registry.observeCrd(event.name, gone ? undefined : storedObject(event.value));
      queue.add(event.name);
      // A name that is free now may be another's.
      if (gone)
        for (const crd of all()) if (!isTrue(crd.status?.conditions, 'Established')) queue.add(crd.metadata.name ?? '');
    },
  });
  for (const crd of all()) {
    registry.observeCrd(crd.metadata.name ?? '', crd);
    queue.add(crd.metadata.name ?? '');
  }
  return {
    async stop() {
      stopWatching();
      await queue.stop();
    },
  };
}
