import { names, populationKind, resources } from '@godwit/api';
import type { PersistentVolume, PersistentVolumeClaim } from '@godwit/api';
import type { KubeClient } from '@godwit/kube-client';
import { storageMarks } from '../storage/marks.ts';

/** The part of a node agent that storage sees: creates, grows, fills and gives back volumes the moment it is asked. */
export function runFakeAgent(client: KubeClient, signal: AbortSignal): void {
  const annotate = (
    name: string,
    annotations: Record<string, string | null>,
    resource = resources.persistentVolumes,
    namespace = '',
  ) =>
    client
      .patch(resource, name, namespace, { type: 'merge', patch: { metadata: { annotations } } })
      .catch(() => undefined);

  client.watch<PersistentVolume>(resources.persistentVolumes, {
    signal,
    onEvent({ type, object }) {
      if (type === 'DELETED') return;
      const { name, annotations = {}, finalizers = [], deletionTimestamp } = object.metadata;
      if (annotations[storageMarks.provisioned] === undefined) return;
      if (object.status?.phase === 'Released' && deletionTimestamp === undefined) {
        client.delete(resources.persistentVolumes, name).catch(() => undefined);
      } else if (deletionTimestamp !== undefined && finalizers.includes(storageMarks.volumeFinalizer)) {
        const rest = finalizers.filter((one) => one !== storageMarks.volumeFinalizer);
        client
          .patch(resources.persistentVolumes, name, '', { type: 'merge', patch: { metadata: { finalizers: rest } } })
          .catch(() => undefined);
      } else if (annotations[storageMarks.provisioned] === 'false') {
        void annotate(name, { [storageMarks.provisioned]: 'true' });
      } else if (annotations[storageMarks.expandTo] !== annotations[storageMarks.expandedTo]) {
        void annotate(name, { [storageMarks.expandedTo]: annotations[storageMarks.expandTo] ?? null });
      }
    },
  });
  client.watch<PersistentVolumeClaim>(resources.persistentVolumeClaims, {
    signal,
    onEvent({ type, object }) {
      const { name, namespace = '', annotations = {} } = object.metadata;
      if (type === 'DELETED' || object.status?.phase !== 'Bound') return;
      if (populationKind(object) === undefined || annotations[names.populationPhaseAnnotation] !== undefined) return;
      void annotate(
        name,
        { [names.populationPhaseAnnotation]: 'Succeeded' },
        resources.persistentVolumeClaims,
        namespace,
      );
    },
  });
}
