import { handoverDecisions } from '@godwit/api';
import type { HandoverDecision, HandoverSide } from '@godwit/api';
import { GodwitError } from '@godwit/core/errors';
import { waitFor } from '@godwit/core/wait';
import type { Machines } from '../launcher/machines.ts';
import { incomingMachine, statusOf } from '../moves/executors.ts';
import type { Executor, Executors } from '../moves/executors.ts';

export interface ResolveIo {
  readonly machines: Pick<Machines, 'get'>;
  readonly moves: Pick<Executors, 'list'>;
}

/** How long an answer waits for a decision to take effect; it is carried out in any case. */
const EFFECT_MS = 15_000;

function executorOf(io: ResolveIo, namespace: string, name: string): Executor {
  const found = io.moves
    .list()
    .find(
      ({ record, outcome }) =>
        outcome === undefined &&
        record.role !== 'in-place' &&
        record.pod.namespace === namespace &&
        record.vmi.name === name,
    );
  if (!found)
    throw new GodwitError(
      'HANDOVER_ABSENT',
      `This node takes no part in a migration of VirtualMachineInstance ${namespace}/${name}`,
    );
  return found;
}

async function sideOf(io: ResolveIo, executor: Executor): Promise<HandoverSide> {
  const { handle, record } = executor;
  const machine = handle.role === 'target' ? incomingMachine(handle) : io.machines.get(record.pod.uid)?.machine;
  const { phase, undecided, message } = statusOf(executor);
  return {
    role: handle.role === 'target' ? 'target' : 'source',
    phase,
    undecided,
    ...(message !== undefined && { message }),
    guest: (await machine?.state().catch(() => 'unknown')) ?? 'gone',
  };
}

/** What this node knows about the handover of a VMI. Rejects with `HANDOVER_ABSENT` when it takes no part in one. */
export async function handoverSide(io: ResolveIo, namespace: string, name: string): Promise<HandoverSide> {
  return sideOf(io, executorOf(io, namespace, name));
}

export function parseDecision(text: string | null): HandoverDecision {
  const decision = handoverDecisions.find((one) => one === text);
  if (!decision)
    throw new GodwitError(
      'DECISION_INVALID',
      `decision must be ${handoverDecisions.join(' or ')}, not "${text ?? ''}"`,
    );
  return decision;
}

/**
 * Carries out a human's decision on this node's side and resolves with what became of it. Only the side that is to run
 * takes one. Rejects with `HANDOVER_ABSENT`, `MIGRATION_NOT_UNDECIDED`, or `HANDOVER_REFUSED` when this side's QEMU is
 * gone and so has nothing left to run; nothing is changed then.
 */
export async function resolveHandover(
  io: ResolveIo,
  namespace: string,
  name: string,
  decision: HandoverDecision,
): Promise<HandoverSide> {
  const executor = executorOf(io, namespace, name);
  const { handle } = executor;
  const side = await sideOf(io, executor);
  if (side.guest === 'gone')
    throw new GodwitError('HANDOVER_REFUSED', `The QEMU of the ${side.role} of ${namespace}/${name} is gone`);
  if (decision === 'resume-source' && handle.role === 'source') await handle.resolve(decision);
  else if (decision === 'run-target' && handle.role === 'target') await handle.resolve(decision);
  else
    throw new GodwitError(
      'HANDOVER_REFUSED',
      `This node is the ${side.role} of ${namespace}/${name} and cannot carry out ${decision}`,
    );
  const effect = { timeoutMs: EFFECT_MS, what: 'the decision to take effect' };
  await waitFor(() => executor.outcome !== undefined, effect).catch(() => undefined);
  return sideOf(io, executor);
}
