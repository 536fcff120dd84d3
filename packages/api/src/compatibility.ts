import { vmiSpecSupport } from './support.ts';
import type { Support } from './support.ts';
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
export function compatibilityRows(): Row[] {
  const rows: Row[] = [];
  const paths = Object.keys(vmiSpecSupport);
  const walk = (type: string, prefix: string): void => {
    const fields = wireTypes[type.replace(/^(\[\]|map:)/, '')] ?? {};
    for (const [name, fieldType] of Object.entries(fields)) {
      const field = name.replace('!', '');
      const path = `${prefix}${prefix === '' ? '' : '.'}${field}${fieldType.startsWith('[]') ? '[]' : ''}`;
      const plain = path.replace(/\[\]$/, '');
      const rule = vmiSpecSupport[path] ?? vmiSpecSupport[plain];
      if (rule) rows.push({ path: plain, support: rule.support, note: rule.note ?? '' });
      else if (paths.some((known) => known.startsWith(`${path}.`))) walk(fieldType, path);
      else rows.push({ path: plain, support: 'warning', note: '' });
    }
  };
  walk('VirtualMachineInstanceSpec', '');
  return rows;
}

/** The table of the compatibility document, as Markdown. */
export function compatibilityTable(): string {
  const lines = compatibilityRows().map((row) => `| \`${row.path}\` | ${WORDS[row.support]} | ${row.note} |`);
  return ['| field of the VMI spec | local runtime | remarks |', '| --- | --- | --- |', ...lines].join('\n');
}
