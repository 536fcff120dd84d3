import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Duplex, Readable } from 'node:stream';
import type { KubeObject, ResourceKind } from '@godwit/api';

export interface UserInfo {
  readonly username: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** Read access for plug-ins, straight from the store and already defaulted. */
export interface ObjectReader {
  get(resource: ResourceKind, name: string, namespace?: string): KubeObject | undefined;
  list(resource: ResourceKind, namespace?: string): KubeObject[];
}

/** Write access for subresource handlers; runs the whole pipeline (admission included) as the given user. */
export interface ObjectWriter extends ObjectReader {
  /** `dryRun`: everything but the writing. */
  create(
    resource: ResourceKind,
    object: KubeObject,
    user: UserInfo,
    options?: { readonly dryRun?: boolean },
  ): Promise<KubeObject>;
  /** Reads, lets `mutate` change a copy, writes; retried on conflict. Rejects with an ApiError (404 when absent). */
  modify(
    resource: ResourceKind,
    name: string,
    namespace: string,
    mutate: (object: KubeObject) => void,
    user: UserInfo,
    subresource?: 'status',
  ): Promise<KubeObject>;
}

export interface AdmissionRequest {
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE';
  readonly resource: ResourceKind;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  readonly object: KubeObject | undefined;
  readonly oldObject: KubeObject | undefined;
  readonly user: UserInfo;
  readonly dryRun: boolean;
}

/** Throw an ApiError to refuse. Warnings reach the client as `Warning` headers. */
export interface AdmissionPlugin {
  readonly name: string;
  /** May change `request.object` in place; runs before validation. Returns warnings. */
  mutate?(request: AdmissionRequest, reader: ObjectReader): readonly string[] | Promise<readonly string[]>;
  /** Must not change anything; runs after schema validation. Returns warnings. */
  validate?(request: AdmissionRequest, reader: ObjectReader): readonly string[] | Promise<readonly string[]>;
  /** Creations with the same key are validated and written one at a time: what `validate` has read holds until the write. */
  exclusive?(request: AdmissionRequest): string | undefined;
  /**
   * A pod is to be evicted: `object` is the Eviction, `oldObject` the pod, which the user may delete. May write, but not on
   * a dry run. An ApiError (429 says: try again) keeps the pod. Returns warnings.
   */
  evicting?(request: AdmissionRequest, writer: ObjectWriter): Promise<readonly string[]>;
}

/** Everything about a request to `/apis/<group>/<version>/namespaces/<ns>/<plural>/<name>/<subresource...>` outside the store. */
export interface SubresourceRequest {
  readonly method: string;
  readonly group: string;
  readonly version: string;
  readonly namespace: string;
  readonly plural: string;
  readonly name: string;
  /** Path segments after the name, for example `['portforward', '22', 'tcp']`. */
  readonly subresource: readonly string[];
  readonly query: URLSearchParams;
  readonly user: UserInfo;
  /** Parsed JSON body, or undefined when there was none. */
  readonly body: unknown;
}

export interface SubresourceReply {
  readonly code: number;
  /** Absent: empty body. An object is sent as JSON. */
  readonly body?: object | Uint8Array;
  readonly contentType?: string;
}

export interface GroupResource {
  /** A name such as `virtualmachines/start`, or a plural. */
  readonly name: string;
  readonly namespaced: boolean;
  /** For objects that can be created though none is stored: clients then find the kind by discovery. */
  readonly creates?: { readonly kind: string; readonly singular: string; readonly shortNames?: readonly string[] };
}

/** Serves a group that has no stored objects, such as `subresources.kubevirt.io`. Authorization has already happened. */
export interface SubresourceGroup {
  readonly group: string;
  readonly versions: readonly string[];
  /** For discovery: names such as `virtualmachines/start`. */
  readonly resources: readonly GroupResource[];
  handle(request: SubresourceRequest, writer: ObjectWriter): Promise<SubresourceReply>;
  /** A WebSocket upgrade on such a path. Must write a plain HTTP error to the socket or take it over. */
  upgrade?(
    request: SubresourceRequest,
    raw: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    reader: ObjectReader,
  ): Promise<void>;
}

/** A request outside the Kubernetes API, its body unread. */
export interface PlainRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Readable;
  /** Aborted when the client goes away or the server stops. */
  readonly signal: AbortSignal;
}

export interface PlainReply {
  readonly code: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Plain text. */
  readonly text?: string;
}

/**
 * Paths outside the Kubernetes API on the same listener, such as CDI's upload proxy. Nobody is authenticated or authorized
 * there before `handle` has a look: that is its own business.
 */
export interface PlainEndpoint {
  readonly paths: readonly string[];
  handle(request: PlainRequest, reader: ObjectReader): Promise<PlainReply>;
}
