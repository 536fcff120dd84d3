import type { KubeObject, ResourceKind } from '@godwit/api';
import type { Cause } from '../api-error.ts';
import type { ObjectReader, UserInfo } from '../plugins.ts';
import type { JsonSchema } from '../schema/types.ts';

export type Verb = 'create' | 'delete' | 'deletecollection' | 'get' | 'list' | 'patch' | 'update' | 'watch';

export const ALL_VERBS: readonly Verb[] = [
  'create',
  'delete',
  'deletecollection',
  'get',
  'list',
  'patch',
  'update',
  'watch',
];

/** Which changes raise `metadata.generation`: none, all but metadata and status, or all but metadata. */
export type GenerationRule = 'none' | 'spec' | 'everything';

export interface StrategyContext {
  readonly user: UserInfo;
  readonly reader: ObjectReader;
  readonly nowMs: number;
}

/** What a kind does beyond the common rules. Objects given to `prepare…` may be changed, others must not be. */
export interface Strategy {
  /** Fills defaults; runs after decoding and again after admission, on create and on update. */
  readonly defaults?: (object: KubeObject) => void;
  readonly prepareCreate?: (object: KubeObject, context: StrategyContext) => void;
  readonly prepareUpdate?: (object: KubeObject, old: KubeObject, context: StrategyContext) => void;
  /** Messages show the value: on update, a cause that the stored object has word for word is let be. */
  readonly validate?: (object: KubeObject) => readonly Cause[];
  readonly validateUpdate?: (object: KubeObject, old: KubeObject) => readonly Cause[];
  /** The status of a new object; absent: a status sent by the client is dropped when there is a status subresource. */
  readonly initialStatus?: (object: KubeObject) => unknown;
  /** Keeps a status sent on create. */
  readonly keepsStatusOnCreate?: boolean;
  /** Seconds of grace a delete leaves the object; absent: none, ever. */
  readonly gracePeriod?: (object: KubeObject, requested: number | undefined) => number;
}

export interface ScalePaths {
  readonly specReplicasPath: string;
  readonly statusReplicasPath: string;
  readonly labelSelectorPath?: string;
}

export interface PrinterColumn {
  readonly name: string;
  readonly type: string;
  readonly jsonPath: string;
  readonly format?: string;
  readonly description?: string;
  readonly priority?: number;
}

export interface NamedSubresource {
  readonly name: string;
  readonly kind: string;
  readonly verbs: readonly Verb[];
  /** When it is served in another group and version than its parent. */
  readonly group?: string;
  readonly version?: string;
}

export type NameRule = 'subdomain' | 'label' | 'dns1035' | 'path';

/** One kind at one version as it is served. Plain data; two servers may share the built-in ones. */
export interface ServedKind extends ResourceKind {
  /** The resource's name in the store; all versions of a kind share it. */
  readonly storeKey: string;
  readonly singular: string;
  readonly listKind: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly verbs: readonly Verb[];
  readonly custom: boolean;
  readonly schema: JsonSchema | undefined;
  readonly hasStatus: boolean;
  readonly scale: ScalePaths | undefined;
  /** Beyond `status` and `scale`. */
  readonly subresources: readonly NamedSubresource[];
  readonly strategy: Strategy;
  readonly generation: GenerationRule;
  readonly nameRule: NameRule;
  /** A PUT without resourceVersion is refused. */
  readonly versionRequired: boolean;
  /** A PUT to a missing name creates. */
  readonly createOnUpdate: boolean;
  /** Watches and snapshots from before are answered with 410: the kind did not exist. */
  readonly historyStart: number;
  readonly printerColumns: readonly PrinterColumn[] | undefined;
  readonly deprecationWarning: string | undefined;
  /** Beyond `metadata.name` and `metadata.namespace`: how each selectable field is read. */
  readonly fieldSelectors: Readonly<Record<string, (object: KubeObject) => string>>;
  /** The stored object as this version shows it. Never changes its argument; may return it. */
  readonly read: (stored: KubeObject) => KubeObject;
  /** The other way. */
  readonly write: (object: KubeObject) => KubeObject;
}
