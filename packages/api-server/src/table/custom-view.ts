import { stringifyJson } from '@godwit/store';
import { formatAge } from './age.ts';
import { compileJsonPath } from './json-path.ts';
import type { TableView } from './types.ts';
import { column, NAME_COLUMN } from './view.ts';

/** One entry of a CRD's `additionalPrinterColumns`. */
export interface PrinterColumn {
  readonly name: string;
  readonly type: string;
  readonly format?: string;
  readonly description?: string;
  readonly priority?: number;
  readonly jsonPath: string;
}

const AGE: PrinterColumn = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };

/** How a custom resource is shown: its name and the columns its CRD declares, or its age when there are none. */
export function customView(declared: readonly PrinterColumn[]): TableView {
  const columns = (declared.length === 0 ? [AGE] : declared).map((entry) => ({
    entry,
    read: compileJsonPath(entry.jsonPath),
  }));
  return {
    columns: [
      NAME_COLUMN,
      ...columns.map(({ entry }) => column(entry.name, entry.type, entry.format, entry.description, entry.priority)),
    ],
    cells: (object, nowMs) => [
      object.metadata.name ?? '',
      ...columns.map(({ entry, read }) => cell(entry.type, read?.(object)[0], nowMs)),
    ],
  };
}

function cell(type: string, value: unknown, nowMs: number): unknown {
  if (value === undefined || value === null) return null;
  switch (type) {
    case 'integer':
      if (typeof value === 'bigint') return value;
      return typeof value === 'number' ? Math.trunc(value) : null;
    case 'number':
      return typeof value === 'number' || typeof value === 'bigint' ? value : null;
    case 'boolean':
      return typeof value === 'boolean' ? value : null;
    case 'date':
      return typeof value === 'string' ? formatAge(value, nowMs) : null;
    default:
      return typeof value === 'string' ? value : stringifyJson(value);
  }
}
