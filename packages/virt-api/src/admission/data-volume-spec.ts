import type { DataVolumeSpec } from '@godwit/api';
import { accessModes, dataVolumeSpecSupport, volumeModes } from '@godwit/api';
import { readQuantity } from '@godwit/core/quantity';
import type { FieldProblem } from '../refuse.ts';
import { judgeFields } from './judge-fields.ts';
import type { SpecVerdict } from './judge-fields.ts';

const SOURCES = ['blank', 'http', 'upload', 'registry'];

type Claim = 'pvc' | 'storage';

function sizeProblems(key: Claim, spec: DataVolumeSpec, root: string, old: DataVolumeSpec | undefined): FieldProblem[] {
  const sizeIn = (one: DataVolumeSpec): string | undefined => one[key]?.resources?.requests?.storage;
  const size = sizeIn(spec);
  if (!spec[key] || (old?.[key] && size === sizeIn(old))) return [];
  const field = `${root}.${key}.resources.requests.storage`;
  if (size === undefined) return [{ field, message: 'give a size, for example 10Gi', reason: 'FieldValueRequired' }];
  const bytes = readQuantity(size);
  if (bytes === undefined) return [{ field, message: `"${size}" is not a quantity such as 10Gi` }];
  return bytes > 0 ? [] : [{ field, message: 'must be more than zero' }];
}

function unsupported(field: string, value: string, supported: readonly string[]): FieldProblem[] {
  if (supported.includes(value)) return [];
  const known = supported.map((one) => `"${one}"`).join(', ');
  return [
    { field, message: `Unsupported value: "${value}": supported values: ${known}`, reason: 'FieldValueNotSupported' },
  ];
}

/** `storage` may leave modes out, its StorageProfile has them; `pvc` is taken as it is. */
function modeProblems(spec: DataVolumeSpec, root: string): FieldProblem[] {
  return (['pvc', 'storage'] satisfies Claim[]).flatMap((key) => {
    const claim = spec[key];
    if (!claim) return [];
    const field = `${root}.${key}.accessModes`;
    const modes = claim.accessModes ?? [];
    return [
      ...modes.flatMap((mode) => unsupported(field, mode, accessModes)),
      ...(key === 'pvc' && modes.length === 0
        ? [{ field, message: 'give at least one, for example ReadWriteOnce', reason: 'FieldValueRequired' } as const]
        : []),
      ...(modes.length > 1 && modes.includes('ReadWriteOncePod')
        ? [{ field, message: 'may not use ReadWriteOncePod with other access modes' }]
        : []),
      ...(claim.volumeMode === undefined
        ? []
        : unsupported(`${root}.${key}.volumeMode`, claim.volumeMode, volumeModes)),
    ];
  });
}

/** The table of supported fields has judged `sourceRef` and the kinds of sources already. */
function sourceProblems(spec: DataVolumeSpec, root: string): FieldProblem[] {
  if (spec.sourceRef !== undefined) return [];
  const source = spec.source ?? {};
  const given = Object.keys(source).filter((key) => source[key] !== undefined);
  if (given.length !== 1)
    return [
      {
        field: `${root}.source`,
        message: `needs exactly one source of ${SOURCES.join(', ')}; it has ${given.length}`,
        reason: 'FieldValueRequired',
      },
    ];
  const [kind] = given;
  const url = source.http?.url ?? source.registry?.url;
  if (kind === 'http' && !/^https?:\/\//.test(url ?? ''))
    return [{ field: `${root}.source.http.url`, message: 'must begin with http:// or https://' }];
  if (kind === 'registry' && !/^(docker|oci-archive):\/\//.test(url ?? ''))
    return [{ field: `${root}.source.registry.url`, message: 'must begin with docker:// or oci-archive://' }];
  return [];
}

/**
 * Everything wrong with the spec of a DataVolume, and everything that will not have its documented effect. A size that
 * `old`, what is stored, has as well is let be. Pure.
 */
export function judgeDataVolumeSpec(spec: DataVolumeSpec, root: string, old?: DataVolumeSpec): SpecVerdict {
  const fields = judgeFields(dataVolumeSpecSupport, spec, root);
  const { pvc, storage } = spec;
  const archive = spec.contentType === 'archive';
  const problems: FieldProblem[] = [
    ...fields.problems,
    ...sourceProblems(spec, root),
    ...((pvc === undefined) === (storage === undefined)
      ? [{ field: root, message: 'needs exactly one of pvc and storage' }]
      : []),
    ...sizeProblems('pvc', spec, root, old),
    ...sizeProblems('storage', spec, root, old),
  ];
  problems.push(...modeProblems(spec, root));
  if (archive && spec.source?.blank === undefined)
    problems.push({
      field: `${root}.contentType`,
      message: 'archives are not unpacked here; use a disk image (raw or qcow2)',
      reason: 'FieldValueNotSupported',
    });
  const warnings = archive
    ? [...fields.warnings, `${root}.contentType has no effect here: content is always a disk image`]
    : fields.warnings;
  return { problems, warnings };
}
