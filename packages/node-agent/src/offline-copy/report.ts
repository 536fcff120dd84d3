import { copyMarks, copyOrderOf, copyReportOf, resources } from '@godwit/api';
import type { CopyOrder, CopyReport, PersistentVolumeClaim, Stored } from '@godwit/api';
import { isConflict, isNotFound } from '@godwit/kube-client';
import type { KubeClient } from '@godwit/kube-client';

type Claim = Stored<PersistentVolumeClaim>;
type Marks = Readonly<Record<string, string | null>>;

const ATTEMPTS = 10;

/**
 * Reads the claim from the server, asks which marks to change, and writes them unless somebody else wrote in between; then
 * it starts over. Resolves with false when there was nothing to write or the claim is gone.
 */
async function changeMarks(
  client: KubeClient,
  { metadata: { name, namespace = '', uid } }: Claim,
  decide: (now: Claim) => Marks | undefined,
): Promise<boolean> {
  for (let attempt = 1; ; attempt += 1) {
    const now = await client.get<PersistentVolumeClaim>(resources.persistentVolumeClaims, name, namespace);
    const annotations = now?.metadata.uid === uid ? decide(now) : undefined;
    if (!now || !annotations) return false;
    const patch = { metadata: { annotations, resourceVersion: now.metadata.resourceVersion } };
    try {
      await client.patch(resources.persistentVolumeClaims, name, namespace, { type: 'merge', patch });
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      if (!isConflict(error) || attempt === ATTEMPTS) throw error;
    }
  }
}

function isWanted(now: Claim, { id, node }: CopyOrder): boolean {
  const order = copyOrderOf(now);
  return order?.id === id && order.node === node;
}

/** Tells about a copy that is still wanted. Resolves with false when it is not: then nothing was written. */
export function tellCopy(
  client: KubeClient,
  pvc: Claim,
  order: CopyOrder,
  report: Omit<CopyReport, 'id'>,
): Promise<boolean> {
  return changeMarks(client, pvc, (now) => {
    if (!isWanted(now, order)) return undefined;
    const said = copyReportOf(now);
    // The first word about how it ended stands; progress that comes late is none.
    if (said?.id === order.id && said.phase !== 'Running') return undefined;
    return {
      [copyMarks.reportId]: order.id,
      [copyMarks.phase]: report.phase,
      [copyMarks.progress]: report.progress ?? null,
      [copyMarks.message]: report.message ?? null,
    };
  });
}

/** Whether the server still wants this copy, and nobody has said how it ended. */
export async function isStillOwed(client: KubeClient, pvc: Claim, order: CopyOrder): Promise<boolean> {
  const { name, namespace = '', uid } = pvc.metadata;
  const now = await client.get<PersistentVolumeClaim>(resources.persistentVolumeClaims, name, namespace);
  if (now?.metadata.uid !== uid || !isWanted(now, order)) return false;
  const report = copyReportOf(now);
  return report?.id === order.id && report.phase === 'Running';
}

/** Takes all marks away, unless a copy has been ordered again. */
export function clearMarks(client: KubeClient, pvc: Claim): Promise<boolean> {
  return changeMarks(client, pvc, (now) =>
    copyOrderOf(now) ? undefined : Object.fromEntries(Object.values(copyMarks).map((mark) => [mark, null])),
  );
}
