import { randomUUID } from 'node:crypto';
import type { KubeObject } from '@godwit/api';
import { rfc3339 } from '@godwit/core/clock';
import type { Clock } from '@godwit/core/clock';
import { jsonEqual } from '@godwit/core/json';
import { isStoreError } from '@godwit/store';
import type { Change, Entry, ObjectStore } from '@godwit/store';
import { alreadyExists, ApiError, badRequest, conflict, notFound, unspecified } from '../api-error.ts';
import type { Cause } from '../api-error.ts';
import { fieldAt } from '../kinds/fields.ts';
import type { ServedKind, StrategyContext } from '../kinds/served-kind.ts';
import type { ObjectReader } from '../plugins.ts';
import { admissionRequest, requireActiveNamespace } from './admission.ts';
import type { Admission } from './admission.ts';
import { decodeObject, refuseInvalid, schemaCauses } from './decode-object.ts';
import { managersAfterUpdate, setManagedFields, takeManagedFields } from './field-managers.ts';
import { generateName } from './generate-name.ts';
import { checkMetadata, checkMetadataUpdate } from './metadata-rules.ts';
import { storedObject, storeKeyOf } from './object-reader.ts';
import { Turns } from './turns.ts';
import { adoptUpdate, isFinished, specChanged } from './update-rules.ts';
import type { WriteContext } from './write-context.ts';

/** How often a write without a resourceVersion of its own is tried again after a race. */
const ATTEMPTS = 20;
const NAME_ATTEMPTS = 8;

export interface ServiceParts {
  readonly store: ObjectStore;
  readonly reader: ObjectReader;
  readonly admission: Admission;
  readonly clock: Clock;
}

export interface UpdateTarget {
  readonly namespace: string;
  readonly name: string;
  /** Empty, `status`, or another that writes the object (`approval`, `finalize`, `scale`, `binding`). */
  readonly subresource: string;
}

export interface Updated {
  readonly object: KubeObject;
  readonly created: boolean;
}

/** Creates and updates objects by the rules every kind shares; `object-removal.ts` deletes them. */
export class ObjectService {
  readonly #parts: ServiceParts;
  readonly #turns = new Turns();

  constructor(parts: ServiceParts) {
    this.#parts = parts;
  }

  async create(kind: ServedKind, namespace: string, body: unknown, context: WriteContext): Promise<KubeObject> {
    const { reader, admission } = this.#parts;
    const object = decodeObject(kind, body, context);
    if (context.managedFields === 'tracked') takeManagedFields(object);
    const meta = object.metadata;
    placeInNamespace(kind, object, namespace);
    if (meta.resourceVersion) throw unspecified('resourceVersion should not be set on objects to be created');
    const generated = !meta.name && Boolean(meta.generateName);
    if (generated) meta.name = generateName(meta.generateName ?? '');
    requireActiveNamespace(kind, namespace, meta.name ?? '', reader);

    stampNew(kind, object, this.#parts.clock.now());
    const strategy = kind.strategy;
    if (kind.hasStatus && !strategy.keepsStatusOnCreate) {
      delete object['status'];
    }
    strategy.prepareCreate?.(object, this.#strategyContext(context));
    if (kind.deprecationWarning !== undefined) context.warnings.push(kind.deprecationWarning);
    const request = admissionRequest('CREATE', kind, '', object, undefined, context);
    await admission.mutate(request, context.warnings);
    strategy.defaults?.(object);
    if (strategy.initialStatus) object['status'] = strategy.initialStatus(object);

    const { causes, warnings } = checkMetadata(kind, object);
    context.warnings.push(...warnings);
    refuseInvalid(kind, object, [...causes, ...schemaCauses(kind, object), ...(strategy.validate?.(object) ?? [])]);
    return await this.#turns.take(admission.exclusive(request), async () => {
      await admission.validate(request, context.warnings);
      return await this.#writeNew(kind, namespace, object, generated, context);
    });
  }

  async #writeNew(
    kind: ServedKind,
    namespace: string,
    object: KubeObject,
    generated: boolean,
    context: WriteContext,
  ): Promise<KubeObject> {
    const { store } = this.#parts;
    const meta = object.metadata;
    for (let attempt = 1; ; attempt++) {
      const key = storeKeyOf(kind, namespace, meta.name ?? '');
      const existing = store.get(key);
      if (!existing && context.dryRun) return object;
      if (!existing) {
        const entry = await this.#write({ do: 'create', ...key, value: kind.write(object) });
        if (entry) return kind.read(storedObject(entry.value));
      }
      if (generated && attempt < NAME_ATTEMPTS) meta.name = generateName(meta.generateName ?? '');
      else throw alreadyExists(kind, meta.name ?? '', existing?.value !== undefined && isDeleting(existing));
    }
  }

  /**
   * Reads the object, asks `make` for the one to be (from the old; it may return any value, checked like a body), and
   * writes it. `make` runs again after a lost race; whether a race is an error shows in the resourceVersion it returns.
   */
  async update(
    kind: ServedKind,
    target: UpdateTarget,
    make: (old: KubeObject) => unknown,
    context: WriteContext,
  ): Promise<Updated> {
    const { store } = this.#parts;
    const { namespace, name } = target;
    const key = storeKeyOf(kind, namespace, name);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const entry = store.get(key);
      if (!entry) throw notFound(kind, name);
      const old = kind.read(storedObject(entry.value));
      const warnings: string[] = [];
      const object = await this.#prepareUpdate(kind, target, old, make(old), { ...context, warnings });
      if (object === undefined || context.dryRun) {
        context.warnings.push(...warnings);
        return { object: object ?? old, created: false };
      }
      const value = kind.write(object);
      const written = isFinished(kind, object)
        ? await this.#write({ do: 'delete', ...key, expected: entry.revision, value })
        : await this.#write({ do: 'update', ...key, expected: entry.revision, value });
      if (!written) continue;
      context.warnings.push(...warnings);
      // A write that removed the last finalizer shows the object once more, at its old revision.
      return { object: isFinished(kind, object) ? object : kind.read(storedObject(written.value)), created: false };
    }
    throw conflict(kind, name, 'the object keeps changing; please try again');
  }

  /** `undefined`: nothing would change. */
  async #prepareUpdate(
    kind: ServedKind,
    target: UpdateTarget,
    old: KubeObject,
    body: unknown,
    context: WriteContext,
  ): Promise<KubeObject | undefined> {
    const { admission, clock } = this.#parts;
    const { strategy } = kind;
    const decoded = decodeObject(kind, body, context);
    placeInNamespace(kind, decoded, target.namespace);
    const asked = takeManagedFields(decoded);
    const object = adoptUpdate(kind, target, decoded, old);
    setManagedFields(object, old.metadata.managedFields);
    if (target.subresource === '') strategy.prepareUpdate?.(object, old, this.#strategyContext(context));
    if (kind.deprecationWarning !== undefined) context.warnings.push(kind.deprecationWarning);
    const request = admissionRequest('UPDATE', kind, target.subresource, object, old, context);
    await admission.mutate(request, context.warnings);
    strategy.defaults?.(object);

    const { causes, warnings } = checkMetadata(kind, object);
    context.warnings.push(...warnings);
    const all = [...causes, ...checkMetadataUpdate(object, old), ...schemaCauses(kind, object)];
    if (target.subresource === '') {
      all.push(...(strategy.validate?.(object) ?? []), ...(strategy.validateUpdate?.(object, old) ?? []));
    }
    refuseInvalid(kind, object, all.length === 0 ? all : newCauses(all, storedCauses(kind, old)));
    await admission.validate(request, context.warnings);
    if (specChanged(kind, object, old)) object.metadata.generation = (old.metadata.generation ?? 0) + 1;
    const changed = !jsonEqual(object, old);
    const by = { manager: context.manager, nowMs: clock.now() };
    const managers =
      context.managedFields === 'asGiven'
        ? asked
        : managersAfterUpdate({ kind, subresource: target.subresource, old, object, changed, asked, ...by });
    setManagedFields(object, managers);
    const same = !changed && jsonEqual(object.metadata.managedFields, old.metadata.managedFields);
    return same && !isFinished(kind, object) ? undefined : object;
  }

  /** Writes, or returns undefined when somebody else was faster. */
  async #write(change: Change): Promise<Entry | undefined> {
    try {
      return await this.#parts.store.write(change);
    } catch (error) {
      if (isStoreError(error, 'STORE_CONFLICT')) return undefined;
      if (isStoreError(error, 'STORE_CLOSED')) {
        throw new ApiError({ code: 503, reason: 'ServiceUnavailable', message: 'the server is shutting down' });
      }
      throw error;
    }
  }

  #strategyContext(context: WriteContext): StrategyContext {
    return { user: context.user, reader: this.#parts.reader, nowMs: this.#parts.clock.now() };
  }
}

/** What is wrong with an object that is stored: rules may have become stricter since. */
function storedCauses(kind: ServedKind, old: KubeObject): Cause[] {
  return [...schemaCauses(kind, old), ...(kind.strategy.validate?.(old) ?? [])];
}

/** What was invalid before and has not changed does not stand in the way of other changes, as in Kubernetes. */
function newCauses(causes: readonly Cause[], before: readonly Cause[]): Cause[] {
  const known = new Set(before.map((cause) => `${cause.field}\0${cause.message}`));
  return causes.filter((cause) => !known.has(`${cause.field}\0${cause.message}`));
}

function isDeleting(entry: Entry): boolean {
  return fieldAt(entry.value, 'metadata.deletionTimestamp') !== undefined;
}

function placeInNamespace(kind: ServedKind, object: KubeObject, namespace: string): void {
  const { metadata } = object;
  const wanted = kind.namespaced ? namespace : '';
  if (!kind.namespaced && !metadata.namespace) {
    delete metadata.namespace;
    return;
  }
  if (metadata.namespace && metadata.namespace !== wanted) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  if (wanted !== '') metadata.namespace = wanted;
}

function stampNew(kind: ServedKind, object: KubeObject, nowMs: number): void {
  const { metadata } = object;
  metadata.uid = randomUUID();
  metadata.creationTimestamp = rfc3339(nowMs);
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  delete metadata.resourceVersion;
  if (kind.generation !== 'none') metadata.generation = 1;
}
