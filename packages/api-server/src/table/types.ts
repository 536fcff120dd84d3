import type { KubeObject, ObjectMeta } from '@godwit/api';

/** meta.k8s.io/v1 `TableColumnDefinition`. */
export interface TableColumn {
  readonly name: string;
  readonly type: string;
  readonly format: string;
  readonly description: string;
  /** 0 is always shown; higher ones only in wide output. */
  readonly priority: number;
}

export interface PartialObjectMetadata {
  readonly kind: 'PartialObjectMetadata';
  readonly apiVersion: 'meta.k8s.io/v1';
  readonly metadata: ObjectMeta;
}

export interface TableRow {
  readonly cells: unknown[];
  readonly object: KubeObject | PartialObjectMetadata | null;
}

/** meta.k8s.io/v1 `Table`. */
export interface Table {
  readonly kind: 'Table';
  readonly apiVersion: 'meta.k8s.io/v1';
  metadata: { resourceVersion?: string; continue?: string; remainingItemCount?: number };
  readonly columnDefinitions: readonly TableColumn[] | null;
  readonly rows: readonly TableRow[];
}

/** How one kind is shown. `cells` gives one value per column. */
export interface TableView {
  readonly columns: readonly TableColumn[];
  readonly cells: (object: KubeObject, nowMs: number) => unknown[];
}
