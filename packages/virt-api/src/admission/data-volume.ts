import type { AdmissionPlugin } from '@godwit/api-server';
import type { DataVolume } from '@godwit/api';
import { jsonEqual } from '@godwit/core/json';
import { parseQuantity } from '@godwit/core/quantity';
import { invalid } from '../refuse.ts';
import type { FieldProblem } from '../refuse.ts';

const SOURCES = ['blank', 'http', 'upload', 'registry'];

function sizeProblems(field: string, size: string | undefined): FieldProblem[] {
  if (size === undefined) return [{ field, message: 'give a size, for example 10Gi', reason: 'FieldValueRequired' }];
  try {
    return parseQuantity(size) > 0 ? [] : [{ field, message: 'must be more than zero' }];
  } catch {
    return [{ field, message: `"${size}" is not a quantity such as 10Gi` }];
  }
}

function sourceProblems(dv: DataVolume): FieldProblem[] {
  if (dv.spec.sourceRef !== undefined)
    return [
      { field: 'spec.sourceRef', message: 'is not supported here; use spec.source', reason: 'FieldValueNotSupported' },
    ];
  const source = dv.spec.source ?? {};
  const given = Object.keys(source).filter((key) => source[key] !== undefined);
  if (given.length !== 1)
    return [
      {
        field: 'spec.source',
        message: `needs exactly one source of ${SOURCES.join(', ')}; it has ${given.length}`,
        reason: 'FieldValueRequired',
      },
    ];
  const kind = given[0] ?? '';
  if (!SOURCES.includes(kind))
    return [
      {
        field: `spec.source.${kind}`,
        message: `is not supported here; use one of ${SOURCES.join(', ')}`,
        reason: 'FieldValueNotSupported',
      },
    ];
  const url = source.http?.url ?? source.registry?.url;
  if (kind === 'http' && !/^https?:\/\//.test(url ?? ''))
    return [{ field: 'spec.source.http.url', message: 'must begin with http:// or https://' }];
  if (kind === 'registry' && !/^(docker|oci-archive):\/\//.test(url ?? ''))
    return [{ field: 'spec.source.registry.url', message: 'must begin with docker:// or oci-archive://' }];
  return [];
}

/** Admission of CDI's DataVolume. */
export const dataVolumeAdmission: AdmissionPlugin = {
  name: 'datavolume.godwit.dev',
  validate(request) {
    if (request.resource.plural !== 'datavolumes' || request.subresource !== '' || request.operation === 'DELETE')
      return [];
    const dv = request.object as DataVolume;
    const old = request.oldObject as DataVolume | undefined;
    if (old) {
      if (!jsonEqual(dv.spec, old.spec)) {
        throw invalid({ kind: 'DataVolume', name: request.name }, [
          { field: 'spec', message: 'a DataVolume cannot change; create another one', reason: 'FieldValueForbidden' },
        ]);
      }
      return [];
    }
    const { pvc, storage } = dv.spec;
    const problems: FieldProblem[] = [
      ...sourceProblems(dv),
      ...((pvc === undefined) === (storage === undefined)
        ? [{ field: 'spec', message: 'needs exactly one of pvc and storage' }]
        : []),
      ...(pvc ? sizeProblems('spec.pvc.resources.requests.storage', pvc.resources?.requests?.storage) : []),
      ...(storage ? sizeProblems('spec.storage.resources.requests.storage', storage.resources?.requests?.storage) : []),
    ];
    const archive = dv.spec.contentType === 'archive';
    if (archive && dv.spec.source?.blank === undefined)
      problems.push({
        field: 'spec.contentType',
        message: 'archives are not unpacked here; use a disk image (raw or qcow2)',
        reason: 'FieldValueNotSupported',
      });
    if (problems.length > 0) throw invalid({ kind: 'DataVolume', name: request.name }, problems);
    return archive ? ['spec.contentType has no effect here: content is always a disk image'] : [];
  },
};
