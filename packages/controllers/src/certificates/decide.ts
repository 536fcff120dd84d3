import { isTrue, names } from '@godwit/api';
import type {
  CertificateSigningRequest,
  Stored,
  VirtualMachineInstance,
  VirtualMachineInstanceMigration,
  VmiMigrationState,
} from '@godwit/api';
import { isFinalMigration, kindOf } from '../virt/facts.ts';
import type { RequestedIdentity } from './identity.ts';

/** A migration that a requested identity may mean, with the VMI it moves. */
export interface MigrationSeen {
  readonly migration: Stored<VirtualMachineInstanceMigration>;
  readonly instance: Stored<VirtualMachineInstance> | undefined;
}

export interface SigningSeen {
  readonly request: Stored<CertificateSigningRequest>;
  /** What the request's subject alternative name asks for. */
  readonly asked: RequestedIdentity | undefined;
  /** Migrations whose UID or shared migrationID is the one asked for. */
  readonly migrations: readonly MigrationSeen[];
}

export type SigningPlan =
  | { readonly do: 'nothing' }
  | { readonly do: 'sign'; readonly asked: RequestedIdentity }
  | { readonly do: 'deny'; readonly reason: string; readonly message: string }
  /** The migration may be about to name the node. */
  | { readonly do: 'wait'; readonly lookAgainMs: number }
  | { readonly do: 'delete' };

/** Certificates live an hour; so do the requests they came from. */
const KEEP_MS = 3_600_000;
/** A node may ask a moment before the record that entitles it can be seen here. */
const PATIENCE_MS = 30_000;
const USAGES = new Set(['digital signature', 'key encipherment', 'key agreement', 'client auth', 'server auth']);

export function isDecided(request: CertificateSigningRequest): boolean {
  const conditions = request.status?.conditions;
  return (request.status?.certificate ?? '') !== '' || isTrue(conditions, 'Denied') || isTrue(conditions, 'Failed');
}

/** Who gets a migration certificate: the node that the VMI's migration names in just that role, nobody else. */
export function decideSigning(seen: SigningSeen, nowMs: number): SigningPlan {
  const { request, asked } = seen;
  if (request.spec.signerName !== names.signerName) return { do: 'nothing' };
  const ageMs = nowMs - Date.parse(request.metadata.creationTimestamp);
  if (isDecided(request))
    return ageMs > KEEP_MS ? { do: 'delete' } : { do: 'wait', lookAgainMs: KEEP_MS - ageMs + 1000 };
  const deny = (reason: string, message: string): SigningPlan => ({ do: 'deny', reason, message });

  const { username = '', groups = [], usages } = request.spec;
  const node = /^system:node:(.+)$/.exec(username)?.[1];
  if (node === undefined || !groups.includes('system:nodes')) {
    return deny('NotANode', `"${username}" is not a node; only nodes get migration certificates`);
  }
  if (!asked) return deny('IdentityInvalid', 'the request does not name exactly one godwit://migration/… identity');
  const foreign = usages.filter((usage) => !USAGES.has(usage));
  if (foreign.length > 0) return deny('UsageNotAllowed', `usages ${foreign.join(', ')} are not allowed`);
  const needed = asked.role === 'source' ? 'client auth' : 'server auth';
  if (!usages.includes(needed)) return deny('UsageNotAllowed', `the ${asked.role} needs usage "${needed}"`);

  const verdicts = seen.migrations.map((one) => judge(one, asked, node));
  if (verdicts.includes(undefined)) return { do: 'sign', asked };
  const open = verdicts.find((verdict) => verdict?.final !== true);
  const why = open?.why ?? verdicts[0]?.why ?? `no migration ${asked.identity.id} is known`;
  const settled = verdicts.length > 0 && open === undefined;
  if (!settled && ageMs < PATIENCE_MS) return { do: 'wait', lookAgainMs: Math.max(200, PATIENCE_MS - ageMs + 1) };
  return deny('NotEntitled', why);
}

interface Refusal {
  readonly why: string;
  /** Nothing that is still to happen changes it. */
  readonly final: boolean;
}

/** Why a migration does not entitle the node, or `undefined` when it does. */
function judge({ migration, instance }: MigrationSeen, asked: RequestedIdentity, node: string): Refusal | undefined {
  const { identity, role } = asked;
  const never = (why: string): Refusal => ({ why, final: true });
  const notYet = (why: string): Refusal => ({ why, final: false });
  const { id } = identity;
  if (isFinalMigration(migration)) return never(`migration ${id} is over`);
  if (!instance) return notYet(`migration ${id} moves no VirtualMachineInstance that exists`);
  const kind = kindOf(migration);
  const local = migration.metadata.uid === id;
  if (local && kind !== 'local') return never(`migration ${id} goes between clusters and is named by its migrationID`);
  if (!local && kind !== role) return never(`this cluster is not the ${role} of ${id}`);
  const state = instance.status?.migrationState;
  if (!state || !belongs(state, migration)) return notYet(`migration ${id} has not been handed to a node yet`);
  if (!namesInstance(identity, instance, state)) {
    return notYet(`migration ${id} moves another VirtualMachineInstance than ${identity.namespace}/${identity.name}`);
  }
  const entitled = nodeOf(state, role) ?? '';
  if (entitled === '') return notYet(`the ${role} of migration ${id} has no node yet`);
  return entitled === node ? undefined : never(`the ${role} of migration ${id} is node "${entitled}", not "${node}"`);
}

function belongs(state: VmiMigrationState, migration: Stored<VirtualMachineInstanceMigration>): boolean {
  const { uid } = migration.metadata;
  return [state.migrationUid, state.sourceState?.migrationUID, state.targetState?.migrationUID].includes(uid);
}

function nodeOf(state: VmiMigrationState, role: 'source' | 'target'): string | undefined {
  return role === 'source'
    ? (state.sourceNode ?? state.sourceState?.node)
    : (state.targetNode ?? state.targetState?.node);
}

/** Both sides use the source's names; the receiving cluster may know the guest by other ones. */
function namesInstance(
  identity: { namespace: string; name: string },
  instance: Stored<VirtualMachineInstance>,
  state: VmiMigrationState,
): boolean {
  const own = instance.metadata.namespace === identity.namespace && instance.metadata.name === identity.name;
  const { domainNamespace, domainName } = state.sourceState ?? {};
  return own || (domainNamespace === identity.namespace && domainName === identity.name);
}
