import type { Condition, KubeObject } from '@godwit/api';
import type { JsonSchema } from '../schema/types.ts';
import type { PrinterColumn, ScalePaths } from './served-kind.ts';

export interface CrdNames {
  plural: string;
  singular?: string;
  kind: string;
  listKind?: string;
  shortNames?: string[];
  categories?: string[];
}

export interface CrdVersion {
  name: string;
  served: boolean;
  storage: boolean;
  deprecated?: boolean;
  deprecationWarning?: string;
  schema?: { openAPIV3Schema?: JsonSchema };
  subresources?: { status?: object; scale?: ScalePaths };
  additionalPrinterColumns?: PrinterColumn[];
  selectableFields?: { jsonPath: string }[];
}

/** Wire type of `apiextensions.k8s.io/v1` CustomResourceDefinition. */
export interface CustomResourceDefinition extends KubeObject {
  spec: {
    group: string;
    scope: 'Namespaced' | 'Cluster';
    names: CrdNames;
    versions: CrdVersion[];
    conversion?: { strategy: 'None' | 'Webhook'; [field: string]: unknown };
    preserveUnknownFields?: boolean;
  };
  status?: {
    acceptedNames?: CrdNames;
    storedVersions?: string[];
    conditions?: Condition[];
  };
}

/** Reads an object of the store as a CRD; only call it for objects of that kind, whose shape was checked on write. */
export function asCrd(object: KubeObject): CustomResourceDefinition {
  return object as CustomResourceDefinition;
}
