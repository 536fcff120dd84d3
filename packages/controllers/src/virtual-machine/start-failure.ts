import { findCondition } from '@godwit/api';
import type { Stored, VirtualMachine, VirtualMachineInstance } from '@godwit/api';
import { backoffMs } from '@godwit/core/backoff';
import { rfc3339 } from '@godwit/core/clock';
import { runStrategyOf } from '../virt/facts.ts';

type StartFailure = NonNullable<NonNullable<VirtualMachine['status']>['startFailure']>;

const FIRST_DELAY_MS = 10_000;
const LONGEST_DELAY_MS = 300_000;

/** Counts starts that failed before the guest ran, so that the next one waits longer; undefined once a guest ran. */
export function decideStartFailure(
  vm: VirtualMachine,
  vmi: Stored<VirtualMachineInstance> | undefined,
  nowMs: number,
): StartFailure | undefined {
  const known = vm.status?.startFailure;
  if (runStrategyOf(vm) === 'Halted') return undefined;
  if (!vmi) return known;
  const ran = vmi.status?.phaseTransitionTimestamps?.some((entry) => entry.phase === 'Running') === true;
  if (ran || vmi.status?.phase === 'Running') return undefined;
  if (vmi.status?.phase !== 'Failed' || known?.lastFailedVMIUID === vmi.metadata.uid) return known;
  const count = (known?.consecutiveFailCount ?? 0) + 1;
  return {
    consecutiveFailCount: count,
    lastFailedVMIUID: vmi.metadata.uid,
    retryAfterTimestamp: rfc3339(nowMs + backoffMs(count - 1, FIRST_DELAY_MS, LONGEST_DELAY_MS)),
  };
}

/** Milliseconds until the VM may be started again; 0 when it may now. */
export function startDelayMs(startFailure: StartFailure | undefined, nowMs: number): number {
  const after = startFailure?.retryAfterTimestamp;
  return after === undefined ? 0 : Math.max(0, Date.parse(after) - nowMs);
}

const REASON = 'StartFailed';

/** Why the last start failed: as its VMI says, and as the VM remembers it once that is gone. */
export function whyStartFailed(
  vm: VirtualMachine,
  vmi: Stored<VirtualMachineInstance> | undefined,
  startFailure: StartFailure | undefined,
): { readonly reason: string; readonly message: string } | undefined {
  if (startFailure === undefined) return undefined;
  const ended = vmi?.status?.phase === 'Failed' ? findCondition(vmi.status.conditions, 'Ready')?.message : undefined;
  const known = findCondition(vm.status?.conditions, 'Failure');
  const message = ended ?? (known?.reason === REASON ? known.message : undefined);
  return message === undefined ? undefined : { reason: REASON, message };
}
