import { accessModes, defaultClass, names, resources, volumeModes } from '@godwit/api';
import type { KubeObject } from '@godwit/api';
import type { Cause } from '../api-error.ts';
import { isObject, jsonEqual } from '@godwit/core/json';
import { readQuantity } from '@godwit/core/quantity';
import { fieldAt, fillIn, forbiddenField, immutable, objectAt, required, textAt, unsupported } from './fields.ts';
import { canonicalizeQuantities, quantityCauses } from './quantities.ts';
import type { Strategy, StrategyContext } from './served-kind.ts';

function addFinalizer(object: KubeObject, finalizer: string): void {
  const finalizers = object.metadata.finalizers ?? [];
  if (!finalizers.includes(finalizer)) object.metadata.finalizers = [...finalizers, finalizer];
}

function setDefaultClass(claim: KubeObject, context: StrategyContext): void {
  const spec = objectAt(claim, 'spec');
  if (spec['storageClassName'] !== undefined) return;
  const name = defaultClass(context.reader.list(resources.storageClasses))?.metadata.name;
  if (name !== undefined) spec['storageClassName'] = name;
}

function mutablePartsRemoved(claim: KubeObject, old: KubeObject): unknown {
  const copy = structuredClone({ spec: fieldAt(claim, 'spec') });
  const spec = objectAt(copy, 'spec');
  const requests = objectAt(spec, 'resources.requests');
  delete requests['storage'];
  delete spec['volumeAttributesClassName'];
  // Set once by the binder, or by the user before binding.
  for (const key of ['volumeName', 'storageClassName']) if (fieldAt(old, `spec.${key}`) === undefined) delete spec[key];
  return spec;
}

/** Modes of a claim or a volume, in Kubernetes' words. */
function modeCauses(object: KubeObject): Cause[] {
  const modes: unknown = fieldAt(object, 'spec.accessModes');
  const field = 'spec.accessModes';
  const causes: Cause[] = Array.isArray(modes)
    ? modes.flatMap((mode: unknown) => unsupported(field, mode, accessModes))
    : [];
  if (!Array.isArray(modes) || modes.length === 0) causes.push(required(field));
  else if (modes.length > 1 && modes.includes('ReadWriteOncePod'))
    causes.push(forbiddenField(field, 'may not use ReadWriteOncePod with other access modes'));
  return [...causes, ...unsupported('spec.volumeMode', fieldAt(object, 'spec.volumeMode'), volumeModes)];
}

export const claimStrategy: Strategy = {
  defaults(claim) {
    fillIn(objectAt(claim, 'spec'), { volumeMode: 'Filesystem' });
    canonicalizeQuantities(fieldAt(claim, 'spec.resources.requests'));
    canonicalizeQuantities(fieldAt(claim, 'status.capacity'));
  },
  prepareCreate(claim, context) {
    setDefaultClass(claim, context);
    addFinalizer(claim, names.pvcProtectionFinalizer);
  },
  initialStatus: () => ({ phase: 'Pending' }),
  validate(claim) {
    const causes = modeCauses(claim);
    if (textAt(claim, 'spec.resources.requests.storage') === '') causes.push(required('spec.resources[storage]'));
    causes.push(...quantityCauses('spec.resources.requests', fieldAt(claim, 'spec.resources.requests')));
    return causes;
  },
  validateUpdate(claim, old) {
    const causes = [];
    if (!jsonEqual(mutablePartsRemoved(claim, old), mutablePartsRemoved(old, old))) {
      causes.push(
        forbiddenField('spec', 'spec is immutable after creation except resources.requests for bound claims'),
      );
    }
    const path = 'spec.resources.requests.storage';
    const size = (one: KubeObject): number | undefined => readQuantity(textAt(one, path) || '0');
    const [wanted, before] = [size(claim), size(old)];
    // Of what cannot be read there is no less; `validate` refuses it.
    if (wanted !== undefined && before !== undefined && wanted < before) {
      causes.push(forbiddenField(path, 'field can not be less than previous value'));
    }
    return causes;
  },
};

export const volumeStrategy: Strategy = {
  defaults(volume) {
    fillIn(objectAt(volume, 'spec'), { persistentVolumeReclaimPolicy: 'Retain', volumeMode: 'Filesystem' });
    canonicalizeQuantities(fieldAt(volume, 'spec.capacity'));
  },
  prepareCreate: (volume) => addFinalizer(volume, names.pvProtectionFinalizer),
  initialStatus: () => ({ phase: 'Pending' }),
  validate: (volume) => [
    ...(textAt(volume, 'spec.capacity.storage') === '' ? [required('spec.capacity')] : []),
    ...quantityCauses('spec.capacity', fieldAt(volume, 'spec.capacity')),
    ...modeCauses(volume),
    ...unsupported('spec.persistentVolumeReclaimPolicy', fieldAt(volume, 'spec.persistentVolumeReclaimPolicy'), [
      'Delete',
      'Recycle',
      'Retain',
    ]),
  ],
};

export const storageClassStrategy: Strategy = {
  defaults: (storageClass) => fillIn(storageClass, { reclaimPolicy: 'Delete', volumeBindingMode: 'Immediate' }),
  validate(storageClass) {
    return [
      ...(textAt(storageClass, 'provisioner') === '' ? [required('provisioner')] : []),
      ...unsupported('reclaimPolicy', storageClass['reclaimPolicy'], ['Delete', 'Retain']),
      ...unsupported('volumeBindingMode', storageClass['volumeBindingMode'], ['Immediate', 'WaitForFirstConsumer']),
    ];
  },
  validateUpdate(storageClass, old) {
    const fixed = ['provisioner', 'parameters', 'reclaimPolicy', 'volumeBindingMode'];
    const text = (value: unknown): unknown => (isObject(value) && Object.keys(value).length === 0 ? undefined : value);
    return fixed.filter((key) => !jsonEqual(text(storageClass[key]), text(old[key]))).map((key) => immutable(key));
  },
};
