import {
  dataVolumeSpecSupport,
  kubeVirtSpecSupport,
  migrationPolicySpecSupport,
  migrationSpecSupport,
  virtualMachineSpecSupport,
  vmiSpecSupport,
} from './support.ts';
import type { Support, SupportRules } from './support.ts';
import { wireTypes } from './schema/wire-types.ts';

const WORDS: Readonly<Record<Support, string>> = {
  implemented: 'implemented',
  warning: 'Warning',
  rejected: 'rejected',
};

interface Row {
  readonly path: string;
  readonly support: Support;
  readonly note: string;
}

/** One row per rule, and one per known field that no rule covers (those are answered with a Warning). */
export function compatibilityRows(type: string, rules: SupportRules): Row[] {
  const rows: Row[] = [];
  const paths = Object.keys(rules);
  const walk = (name: string, prefix: string, covered: boolean): void => {
    for (const [member, memberType] of Object.entries(wireTypes[name.replace(/^(\[\]|map:)/, '')] ?? {})) {
      const field = member.replace('!', '');
      const path = `${prefix}${prefix === '' ? '' : '.'}${field}${memberType.startsWith('[]') ? '[]' : ''}`;
      const plain = path.replace(/\[\]$/, '');
      const rule = rules[path] ?? rules[plain];
      if (rule) rows.push({ path: plain, support: rule.support, note: rule.note ?? '' });
      if (rule && rule.support !== 'implemented') continue;
      if (paths.some((known) => known.startsWith(`${path}.`))) walk(memberType, path, covered || rule !== undefined);
      else if (!rule && !covered) rows.push({ path: plain, support: 'warning', note: '' });
    }
  };
  walk(type, '', false);
  return rows;
}

/** Every table, with the wire type whose fields it is about. */
export const compatibilitySections: readonly {
  readonly title: string;
  readonly type: string;
  readonly rules: SupportRules;
}[] = [
  { title: 'VirtualMachine spec', type: 'VirtualMachineSpec', rules: virtualMachineSpecSupport },
  {
    title: 'VirtualMachineInstance spec, and the template of a VirtualMachine',
    type: 'VirtualMachineInstanceSpec',
    rules: vmiSpecSupport,
  },
  {
    title: 'VirtualMachineInstanceMigration spec',
    type: 'VirtualMachineInstanceMigrationSpec',
    rules: migrationSpecSupport,
  },
  { title: 'MigrationPolicy spec', type: 'MigrationPolicySpec', rules: migrationPolicySpecSupport },
  { title: 'KubeVirt spec', type: 'KubeVirtSpec', rules: kubeVirtSpecSupport },
  { title: 'DataVolume spec', type: 'CdiDataVolumeSpec', rules: dataVolumeSpecSupport },
];

/** The tables of the compatibility document, as Markdown. */
export function compatibilityTables(): string {
  return compatibilitySections
    .map(({ title, type, rules }) => {
      const lines = compatibilityRows(type, rules).map(
        (row) => `| \`${row.path}\` | ${WORDS[row.support]} | ${row.note} |`,
      );
      return [`## ${title}`, '', '| field | local runtime | remarks |', '| --- | --- | --- |', ...lines].join('\n');
    })
    .join('\n\n');
}
