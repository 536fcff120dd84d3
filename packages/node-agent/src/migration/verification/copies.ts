import type { MigrationVerification } from '@godwit/api';
import type { Clock } from '@godwit/core/clock';
import type { Machine, MachineSpec } from '@godwit/hypervisor';
import type { SourceLink } from '../source/source-link.ts';
import { disksAt } from './answer.ts';
import { verificationBudgetMs } from './budget.ts';
import { remoteCounterpart } from './counterpart.ts';
import { verifyDisks } from './verify.ts';

/** The disks that a move copies to another node, to be compared there. */
export function copiesToVerify(spec: MachineSpec, copyDisks: readonly string[], clock: Clock) {
  const bytes = spec.disks.reduce((sum, { name, sizeBytes }) => (copyDisks.includes(name) ? sum + sizeBytes : sum), 0);
  const budgetMs = verificationBudgetMs(bytes);
  return {
    /** What it may add to the time for which the guest stands still. */
    budgetMs,
    async compare(machine: Machine, link: Pick<SourceLink, 'ask'>, check: () => void): Promise<MigrationVerification> {
      const disks = disksAt(copyDisks, spec, await machine.backings());
      const target = () => remoteCounterpart((question, timeoutMs) => link.ask(question, timeoutMs), budgetMs);
      return verifyDisks({ disks, target, check, clock });
    },
  };
}
