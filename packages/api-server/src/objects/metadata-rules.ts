import type { KubeObject, ObjectMeta } from '@godwit/api';
import type { Cause } from '../api-error.ts';
import { bad, forbiddenField, immutable, required } from '../kinds/fields.ts';
import type { NameRule, ServedKind } from '../kinds/served-kind.ts';

const LABEL = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/;
const DNS1035 = /^[a-z](?:[-a-z0-9]*[a-z0-9])?$/;
const QUALIFIED_NAME = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;
const STANDARD_FINALIZERS = new Set([
  'foregroundDeletion',
  'orphan',
  'kubernetes',
  'customresourcecleanup.apiextensions.k8s.io',
]);
const MAX_ANNOTATION_BYTES = 256 * 1024;

function isSubdomain(name: string): boolean {
  return name.length <= 253 && name.split('.').every((part) => LABEL.test(part));
}

/** What is wrong with a name under a rule, or undefined. */
export function nameProblem(name: string, rule: NameRule): string | undefined {
  switch (rule) {
    case 'subdomain':
      return isSubdomain(name) ? undefined : 'a lowercase RFC 1123 subdomain is needed';
    case 'label':
      return name.length <= 63 && LABEL.test(name) ? undefined : 'a lowercase RFC 1123 label is needed';
    case 'dns1035':
      return name.length <= 63 && DNS1035.test(name) ? undefined : 'a DNS-1035 label is needed';
    case 'path':
      return name !== '.' && name !== '..' && !/[/%]/.test(name) ? undefined : 'it must fit into a path segment';
  }
}

function isQualified(key: string): boolean {
  const slash = key.indexOf('/');
  return QUALIFIED_NAME.test(key.slice(slash + 1)) && (slash < 0 || isSubdomain(key.slice(0, slash)));
}

function nameCauses(meta: ObjectMeta, rule: NameRule): Cause[] {
  const causes: Cause[] = [];
  if (meta.generateName) {
    // A prefix may end in a dash; the part that will follow makes it whole.
    const problem = nameProblem(`${meta.generateName}x`.slice(0, 58), rule);
    if (problem) causes.push(bad('metadata.generateName', `"${meta.generateName}": ${problem}`));
  }
  if (!meta.name)
    return [...causes, { ...required('metadata.name'), message: 'Required value: name or generateName is required' }];
  const problem = nameProblem(meta.name, rule);
  if (problem) causes.push(bad('metadata.name', `"${meta.name}": ${problem}`));
  return causes;
}

function labelCauses(meta: ObjectMeta): Cause[] {
  const causes: Cause[] = [];
  for (const [key, value] of Object.entries(meta.labels ?? {})) {
    if (!isQualified(key)) causes.push(bad('metadata.labels', `"${key}": not a qualified name`));
    if (!LABEL_VALUE.test(value)) causes.push(bad('metadata.labels', `"${value}": not a valid label value`));
  }
  let bytes = 0;
  for (const [key, value] of Object.entries(meta.annotations ?? {})) {
    if (!isQualified(key.toLowerCase())) causes.push(bad('metadata.annotations', `"${key}": not a qualified name`));
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (bytes > MAX_ANNOTATION_BYTES) {
    const message = `Too long: may not be more than ${MAX_ANNOTATION_BYTES} bytes`;
    causes.push({ reason: 'FieldValueTooLong', message, field: 'metadata.annotations' });
  }
  return causes;
}

function ownerCauses(meta: ObjectMeta): Cause[] {
  const causes: Cause[] = [];
  for (const [i, owner] of (meta.ownerReferences ?? []).entries()) {
    for (const field of ['apiVersion', 'kind', 'name', 'uid'] as const) {
      if (!owner[field]) causes.push(required(`metadata.ownerReferences[${i}].${field}`));
    }
  }
  if ((meta.ownerReferences ?? []).filter((owner) => owner.controller === true).length > 1) {
    causes.push(bad('metadata.ownerReferences', 'only one reference can have controller set to true'));
  }
  return causes;
}

/** The rules of `metadata` that hold for every kind. */
export function checkMetadata(kind: ServedKind, object: KubeObject): { causes: Cause[]; warnings: string[] } {
  const meta = object.metadata;
  const causes = [...nameCauses(meta, kind.nameRule), ...labelCauses(meta), ...ownerCauses(meta)];
  const warnings: string[] = [];
  for (const [i, finalizer] of (meta.finalizers ?? []).entries()) {
    const known = STANDARD_FINALIZERS.has(finalizer);
    if (!isQualified(finalizer)) causes.push(bad('metadata.finalizers', `"${finalizer}": not a qualified name`));
    else if (!finalizer.includes('/') && !known && !kind.custom) {
      causes.push(
        bad(
          `metadata.finalizers[${i}]`,
          `"${finalizer}": name is neither a standard finalizer name nor is it fully qualified`,
        ),
      );
    } else if (!finalizer.includes('/') && !known) {
      warnings.push(
        `metadata.finalizers: "${finalizer}": prefer a domain-qualified finalizer name including a path (/) to avoid accidental conflicts with other finalizer writers`,
      );
    }
  }
  return { causes, warnings };
}

export function checkMetadataUpdate(object: KubeObject, old: KubeObject): Cause[] {
  const causes: Cause[] = [];
  if (object.metadata.uid !== old.metadata.uid) causes.push(immutable('metadata.uid'));
  if (old.metadata.deletionTimestamp !== undefined) {
    const before = new Set(old.metadata.finalizers ?? []);
    const added = (object.metadata.finalizers ?? []).filter((finalizer) => !before.has(finalizer));
    if (added.length > 0) {
      causes.push(
        forbiddenField(
          'metadata.finalizers',
          `no new finalizers can be added if the object is being deleted, found new finalizers ${JSON.stringify(added)}`,
        ),
      );
    }
  }
  return causes;
}
