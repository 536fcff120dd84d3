import type { KubeObject } from '@godwit/api';
import { accessViews, plainView } from './access-views.ts';
import { coreViews } from './core-views.ts';
import { customView } from './custom-view.ts';
import type { PrinterColumn } from './custom-view.ts';
import { podView } from './pod-view.ts';
import type { Table, TableRow, TableView } from './types.ts';
import { workloadViews } from './workload-views.ts';

const BUILT_IN: Readonly<Record<string, TableView>> = {
  '/Pod': podView,
  ...coreViews,
  ...workloadViews,
  ...accessViews,
};

export interface TableResource {
  readonly group: string;
  readonly kind: string;
  /** Given (also empty) for custom resources, absent for built-in kinds. */
  readonly printerColumns?: readonly PrinterColumn[] | undefined;
}

export interface TableOptions {
  readonly includeObject: 'None' | 'Metadata' | 'Object';
  /** Ages are counted up to this moment, in epoch milliseconds. */
  readonly nowMs: number;
  /** Later events of a watch repeat no columns. */
  readonly omitColumns?: boolean;
}

/**
 * Shows objects as a meta.k8s.io/v1 Table. `metadata.resourceVersion` is set only for a single object, to that object's;
 * a list's metadata is the caller's to fill.
 */
export function tableFor(resource: TableResource, objects: readonly KubeObject[], opts: TableOptions): Table {
  const view = resource.printerColumns
    ? customView(resource.printerColumns)
    : (BUILT_IN[`${resource.group}/${resource.kind}`] ?? plainView);
  const [only, ...others] = objects;
  const version = others.length === 0 ? only?.metadata.resourceVersion : undefined;
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: version === undefined ? {} : { resourceVersion: version },
    columnDefinitions: opts.omitColumns ? null : view.columns,
    rows: objects.map((object): TableRow => ({ cells: view.cells(object, opts.nowMs), object: shown(object, opts) })),
  };
}

function shown(object: KubeObject, opts: TableOptions): TableRow['object'] {
  switch (opts.includeObject) {
    case 'None':
      return null;
    case 'Object':
      return object;
    case 'Metadata':
      return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata };
  }
}
