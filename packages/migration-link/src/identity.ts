import { linkError } from './errors.ts';

export type LinkRole = 'source' | 'target';

/** What one migration is called on both sides: the VMIM UID inside a cluster, the shared migrationID across clusters. */
export interface MigrationIdentity {
  readonly id: string;
  readonly namespace: string;
  /** Name of the VMI; both sides use the source's. */
  readonly name: string;
}

const PART = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$/;

/** The URI that stands in a certificate's subject alternative name. Throws LINK_IDENTITY_INVALID. */
export function migrationUri(identity: MigrationIdentity, role: LinkRole): string {
  for (const part of [identity.id, identity.namespace, identity.name])
    if (!PART.test(part)) throw linkError('LINK_IDENTITY_INVALID', `"${part}" cannot be part of a migration identity`);
  return `godwit://migration/${identity.id}/vmi/${identity.namespace}/${identity.name}/${role}`;
}

export const peerRole = (role: LinkRole): LinkRole => (role === 'source' ? 'target' : 'source');
