import type { KubeObject, ResourceKind, Stored } from '@godwit/api';

export interface ListOptions {
  /** Empty or absent: all namespaces. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export type PatchBody =
  | { readonly type: 'merge'; readonly patch: object }
  | { readonly type: 'json'; readonly patch: readonly JsonPatchOperation[] };

export interface JsonPatchOperation {
  readonly op: 'add' | 'remove' | 'replace' | 'test';
  readonly path: string;
  readonly value?: unknown;
}

export interface DeleteOptions {
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
  readonly gracePeriodSeconds?: number;
  readonly preconditions?: { uid?: string; resourceVersion?: string };
}

export type WatchEvent<T> = { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T };

/**
 * Typed access to one Kubernetes API server. Every method rejects with `KubeApiError` (code `KUBE_API`, details
 * `{status, reason}`) when the server refuses, and with `KUBE_UNREACHABLE` (retry: backoff) when there is no answer.
 */
export interface KubeClient {
  /** The object, or `undefined` when it does not exist. */
  get<T extends KubeObject>(resource: ResourceKind, name: string, namespace?: string): Promise<Stored<T> | undefined>;
  list<T extends KubeObject>(
    resource: ResourceKind,
    options?: ListOptions,
  ): Promise<{ items: Stored<T>[]; resourceVersion: string }>;
  create<T extends KubeObject>(resource: ResourceKind, object: T): Promise<Stored<T>>;
  /** PUT with the object's own resourceVersion; `subresource` is for example `status`. */
  update<T extends KubeObject>(resource: ResourceKind, object: T, subresource?: string): Promise<Stored<T>>;
  patch<T extends KubeObject>(
    resource: ResourceKind,
    name: string,
    namespace: string,
    body: PatchBody,
    subresource?: string,
  ): Promise<Stored<T>>;
  /** Resolves also when the object is already gone. */
  delete(resource: ResourceKind, name: string, namespace?: string, options?: DeleteOptions): Promise<void>;
  /** Raw request below the server's root, for subresources and reviews. */
  request(method: string, path: string, body?: unknown, contentType?: string): Promise<unknown>;
  /**
   * Lists, then follows, for ever: reconnects, relists after 410 and reports what vanished in between as DELETED.
   * `onSynced` runs once after the first list. Ends when `signal` aborts.
   */
  watch<T extends KubeObject>(
    resource: ResourceKind,
    options: ListOptions & {
      readonly signal: AbortSignal;
      readonly onEvent: (event: WatchEvent<Stored<T>>) => void;
      readonly onSynced?: () => void;
      /** After every list (first and later ones): keys (`namespace/name`) that exist at `resourceVersion`. */
      readonly onListed?: (present: ReadonlySet<string>, resourceVersion: string) => void;
    },
  ): void;
  close(): void;
}

/** How to reach a server without a kubeconfig: what our own processes are given. PEM texts, not paths. */
export interface KubeEndpoint {
  readonly server: string;
  readonly caPem: string;
  readonly certPem?: string;
  readonly keyPem?: string;
  readonly token?: string;
}
