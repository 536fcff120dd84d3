import { names } from '@godwit/api';
import type { Condition, VirtualMachineInstanceMigration } from '@godwit/api';

export const verifiedCondition = 'migrationVerified';

/** The comparison of the disks is asked for, and nothing is known of it yet. */
export function awaitsVerification({ metadata, status }: VirtualMachineInstanceMigration): boolean {
  return metadata.annotations?.[names.verifyAnnotation] === 'true' && status?.verification === undefined;
}

/** What the source agent has found, as a condition; undefined as long as it has found nothing. */
export function desiredVerified({ status }: VirtualMachineInstanceMigration): Condition | undefined {
  const verification = status?.verification;
  if (verification === undefined) return undefined;
  const { result, message, volumes, milliseconds } = verification;
  const said = (which: 'Identical' | 'Skipped') =>
    volumes.flatMap((volume) => (volume.result === which ? [volume.name] : [])).join(', ');
  const condition = (conditionStatus: Condition['status'], text: string): Condition => ({
    type: verifiedCondition,
    status: conditionStatus,
    reason: result,
    message: text,
  });
  switch (result) {
    case 'Identical':
      return condition('True', `Source and target are identical: ${said('Identical')}; compared in ${milliseconds} ms`);
    case 'NothingCopied':
      return condition('True', 'No volume was copied: source and target use the same');
    case 'Partial':
      return condition('Unknown', `Not compared: ${said('Skipped')}. Identical: ${said('Identical') || 'none'}`);
    case 'Different':
      return condition('False', message ?? 'Source and target are different');
  }
}
