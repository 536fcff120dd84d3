import { claimsOf } from '@godwit/api';
import type { VirtualMachine } from '@godwit/api';
import { jsonEqual } from '@godwit/core/json';
import type { FieldProblem } from '../refuse.ts';
import { judgeDataVolumeSpec } from './data-volume-spec.ts';
import type { SpecVerdict } from './judge-fields.ts';
import { templateMetadataProblems } from './template-metadata.ts';

type Template = NonNullable<VirtualMachine['spec']['dataVolumeTemplates']>[number];

const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$/;

function nameProblems(template: Template, field: string, used: ReadonlySet<string>): FieldProblem[] {
  const name: unknown = template.metadata?.name ?? '';
  const at = `${field}.metadata.name`;
  if (name === '') return [{ field: at, message: 'a template needs a name', reason: 'FieldValueRequired' }];
  if (typeof name !== 'string' || name.length > 253 || !SUBDOMAIN.test(name))
    return [{ field: at, message: `${JSON.stringify(name)} is not a name such as root-disk` }];
  if (used.has(name)) return [];
  return [
    {
      field: at,
      message: `no volume of the VM refers to "${name}"; rename, use or remove the template in the same update`,
    },
  ];
}

/**
 * What is to be said about the templates of a VM's DataVolumes. Those that an update leaves alone are let be: whoever
 * changes something else, a controller say, could not mend them.
 */
export function judgeDataVolumeTemplates(vm: VirtualMachine, old: VirtualMachine | undefined): SpecVerdict {
  const problems: FieldProblem[] = [];
  const warnings: string[] = [];
  const known = old?.spec.dataVolumeTemplates ?? [];
  const used = new Set(claimsOf(vm.spec.template.spec.volumes).values());
  (vm.spec.dataVolumeTemplates ?? []).forEach((template, i) => {
    const field = `spec.dataVolumeTemplates[${i}]`;
    problems.push(...nameProblems(template, field, used));
    if (template.metadata?.namespace !== undefined && template.metadata.namespace !== vm.metadata.namespace)
      problems.push({ field: `${field}.metadata.namespace`, message: 'must be the namespace of the VM' });
    if (known.some((one) => jsonEqual(one, template))) return;
    const before = known.find(({ metadata }) => metadata?.name === template.metadata?.name);
    const verdict = judgeDataVolumeSpec(template.spec, `${field}.spec`, before?.spec);
    problems.push(...templateMetadataProblems(template.metadata, `${field}.metadata`), ...verdict.problems);
    warnings.push(...verdict.warnings);
  });
  return { problems, warnings };
}
