import type { ObjectReader, SubresourceReply, SubresourceRequest } from '@godwit/api-server';
import { findCondition, isTrue, resources } from '@godwit/api';
import type {
  HandoverDecision,
  HandoverPlace,
  HandoverReport,
  HandoverRole,
  HandoverSide,
  Node,
  VirtualMachineInstance,
  VmiMigrationState,
} from '@godwit/api';
import { handoverDecisions } from '@godwit/api';
import type { KubeObject } from '@godwit/api';
import { callAgent } from '../agent-connection.ts';
import type { AgentCredentials } from '../agent-connection.ts';
import { badRequest, conflict, notFound } from '../refuse.ts';

/** An agent that is asked only to see whether it lives answers within this time or counts as silent. */
const LOOK_MS = 3000;

interface Handover {
  readonly vmi: VirtualMachineInstance;
  readonly state: VmiMigrationState;
}

function load(request: SubresourceRequest, reader: ObjectReader): Handover {
  // The cast is safe: the reader returns objects of the kind it was asked for.
  const vmi = reader.get(resources.virtualMachineInstances, request.name, request.namespace) as
    | VirtualMachineInstance
    | undefined;
  if (!vmi) throw notFound('virtualmachineinstance.kubevirt.io', request.name);
  const state = vmi.status?.migrationState;
  if (state?.migrationUid === undefined)
    throw conflict(`VMI "${request.name}" is not being migrated: there is nothing to decide`);
  if (state.completed === true || state.failed === true)
    throw conflict(
      `The last migration of VMI "${request.name}" has ${state.failed === true ? 'failed' : 'succeeded'}: there is nothing to decide`,
    );
  return { vmi, state };
}

/** Whether that side of the migration is in another cluster: both sides' VMI UIDs stand in the record across clusters. */
function isElsewhere({ vmi, state }: Handover, role: HandoverRole): boolean {
  const { uid } = vmi.metadata;
  const source = state.sourceState?.virtualMachineInstanceUID ?? uid;
  const target = state.targetState?.virtualMachineInstanceUID ?? uid;
  return source !== target && (role === 'source' ? source : target) !== uid;
}

function nodeOf({ state }: Handover, role: HandoverRole): string | undefined {
  return role === 'source'
    ? (state.sourceNode ?? state.sourceState?.node)
    : (state.targetNode ?? state.targetState?.node);
}

function pathOf(request: SubresourceRequest, query = ''): string {
  return `/v1/namespaces/${request.namespace}/virtualmachineinstances/${request.name}/resolve${query}`;
}

function messageOf(body: Buffer): string {
  const text = body.toString('utf8');
  try {
    return (JSON.parse(text) as { message?: string }).message ?? text;
  } catch {
    return text;
  }
}

function lastSeen(reader: ObjectReader, node: string): string | undefined {
  const lease = reader.get(resources.leases, node, 'kube-node-lease') as
    | (KubeObject & { spec?: { renewTime?: string } })
    | undefined;
  return lease?.spec?.renewTime;
}

async function placeOf(
  request: SubresourceRequest,
  reader: ObjectReader,
  credentials: AgentCredentials,
  handover: Handover,
  role: HandoverRole,
): Promise<HandoverPlace> {
  const node = nodeOf(handover, role);
  if (isElsewhere(handover, role)) return { elsewhere: true, ...(node !== undefined && { node }) };
  if (node === undefined) return { silent: 'no node was chosen yet' };
  // The cast is safe: the reader returns objects of the kind it was asked for.
  const object = reader.get(resources.nodes, node) as Node | undefined;
  const seen = lastSeen(reader, node);
  const known = {
    node,
    nodeReady: isTrue(object?.status?.conditions, 'Ready'),
    ...(seen !== undefined && { lastSeen: seen }),
  };
  try {
    const { code, body } = await callAgent(reader, node, credentials, 'GET', pathOf(request), LOOK_MS);
    // The cast is safe: our own agents answer so.
    return code === 200
      ? { ...known, side: JSON.parse(body.toString('utf8')) as HandoverSide }
      : { ...known, silent: messageOf(body) };
  } catch (error) {
    return { ...known, silent: error instanceof Error ? error.message : String(error) };
  }
}

/** Who of the two sides is known to do what, and since when nobody can say which has the guest. */
export async function reportHandover(
  request: SubresourceRequest,
  reader: ObjectReader,
  credentials: AgentCredentials,
): Promise<SubresourceReply> {
  const handover = load(request, reader);
  const [source, target] = await Promise.all([
    placeOf(request, reader, credentials, handover, 'source'),
    placeOf(request, reader, credentials, handover, 'target'),
  ]);
  const condition = findCondition(handover.vmi.status?.conditions, 'HandoverUndecided');
  const body: HandoverReport = {
    migrationUID: handover.state.migrationUid ?? '',
    undecided: condition?.status === 'True' || source.side?.undecided === true || target.side?.undecided === true,
    ...(condition?.lastTransitionTime != null && { since: condition.lastTransitionTime }),
    ...(condition?.message !== undefined && { message: condition.message }),
    source,
    target,
  };
  return { code: 200, body };
}

function decisionOf(request: SubresourceRequest): HandoverDecision {
  const text = request.query.get('decision');
  const decision = handoverDecisions.find((one) => one === text);
  if (!decision)
    throw badRequest(`query parameter decision must be ${handoverDecisions.join(' or ')}, not "${text ?? ''}"`);
  return decision;
}

/**
 * Hands a human's decision to the agent of the side that is to run. Refused while the other side's agent answers and
 * still has its QEMU: that side is not fenced, whatever the caller believes.
 */
export async function resolveHandover(
  request: SubresourceRequest,
  reader: ObjectReader,
  credentials: AgentCredentials,
): Promise<SubresourceReply> {
  const decision = decisionOf(request);
  const handover = load(request, reader);
  const [role, other]: [HandoverRole, HandoverRole] =
    decision === 'resume-source' ? ['source', 'target'] : ['target', 'source'];
  if (isElsewhere(handover, role))
    throw conflict(`The ${role} of VMI "${request.name}" is in another cluster: decide there`);
  const node = nodeOf(handover, role);
  if (node === undefined) throw conflict(`The migration of VMI "${request.name}" has no ${role} node yet`);
  const { side, node: otherNode } = await placeOf(request, reader, credentials, handover, other);
  if (side && side.guest !== 'gone')
    throw conflict(
      `The ${other} is not fenced: the agent of node "${otherNode ?? ''}" answers and its QEMU is ${side.guest} (${side.phase}). Switch it off first`,
    );
  const query = `?decision=${decision}`;
  const reply = await callAgent(reader, node, credentials, 'PUT', pathOf(request, query));
  return {
    code: reply.code,
    contentType: reply.contentType,
    ...(reply.body.length > 0 ? { body: new Uint8Array(reply.body) } : {}),
  };
}
