import type { KubeObject } from '@godwit/api';
import { isObject } from '@godwit/core/json';
import type { Cause } from '../api-error.ts';
import { checkStructural } from '../schema/structural.ts';
import { asCrd } from './crd-types.ts';
import type { CustomResourceDefinition } from './crd-types.ts';
import { bad, fillIn, immutable, itemsAt, objectAt, required, textAt } from './fields.ts';
import type { Strategy } from './served-kind.ts';

const PROTECTED_GROUP = /(?:^|\.)(?:k8s|kubernetes)\.io$/;

function defaults(object: KubeObject): void {
  const names = objectAt(object, 'spec.names');
  const kind = typeof names['kind'] === 'string' ? names['kind'] : '';
  fillIn(names, { singular: kind.toLowerCase(), listKind: `${kind}List` });
  fillIn(objectAt(object, 'spec.conversion'), { strategy: 'None' });
}

function validateVersions(crd: CustomResourceDefinition): Cause[] {
  const causes: Cause[] = [];
  const versions = itemsAt(crd, 'spec.versions');
  if (versions.length === 0) causes.push(required('spec.versions'));
  if (versions.length > 0 && versions.filter((version) => version['storage'] === true).length !== 1) {
    causes.push(bad('spec.versions', 'must have exactly one version marked as storage version'));
  }
  for (const [i, version] of versions.entries()) {
    const at = `spec.versions[${i}]`;
    if (textAt(version, 'name') === '') causes.push(required(`${at}.name`));
    const schema = crd.spec.versions[i]?.schema?.openAPIV3Schema;
    if (!isObject(schema)) {
      causes.push(required(`${at}.schema.openAPIV3Schema`));
      continue;
    }
    for (const cause of checkStructural(schema)) {
      const field = `${at}.schema.openAPIV3Schema${cause.field === '' ? '' : `.${cause.field}`}`;
      causes.push({ ...cause, field });
    }
  }
  return causes;
}

function validate(object: KubeObject): Cause[] {
  const crd = asCrd(object);
  const causes: Cause[] = [];
  const group = textAt(crd, 'spec.group');
  const plural = textAt(crd, 'spec.names.plural');
  if (group === '') causes.push(required('spec.group'));
  if (plural === '') causes.push(required('spec.names.plural'));
  if (textAt(crd, 'spec.names.kind') === '') causes.push(required('spec.names.kind'));
  if (crd.metadata.name !== `${plural}.${group}`) {
    causes.push(bad('metadata.name', `"${crd.metadata.name}": must be spec.names.plural+"."+spec.group`));
  }
  const scope = textAt(crd, 'spec.scope');
  if (scope !== 'Namespaced' && scope !== 'Cluster') causes.push(required('spec.scope'));
  if (PROTECTED_GROUP.test(group) && !crd.metadata.annotations?.['api-approved.kubernetes.io']) {
    causes.push({
      ...required('metadata.annotations[api-approved.kubernetes.io]'),
      message: 'Required value: protected group',
    });
  }
  if (crd.spec.preserveUnknownFields) {
    causes.push(bad('spec.preserveUnknownFields', 'true: must be false'));
  }
  return [...causes, ...validateVersions(crd)];
}

export const crdStrategy: Strategy = {
  defaults,
  validate,
  validateUpdate(object, old) {
    return ['spec.group', 'spec.scope', 'spec.names.plural', 'spec.names.kind']
      .filter((path) => textAt(object, path) !== textAt(old, path))
      .map((path) => immutable(path));
  },
};
