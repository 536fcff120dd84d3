import { defaultClass, keyOf, names, resources } from '@godwit/api';
import type {
  KubeObject,
  Node,
  ObjectKey,
  PersistentVolume,
  PersistentVolumeClaim,
  StorageClass,
  Stored,
} from '@godwit/api';
import { jsonEqual } from '@godwit/core/json';
import { isAlreadyExists } from '@godwit/kube-client';
import type { Cache, Reconciler } from '@godwit/reconcile';
import type { ControllerContext } from '../../context.ts';
import { storageMarks } from '../marks.ts';
import { decideClaim } from './decide.ts';
import type { ClaimSeen, ClaimStep } from './decide.ts';
import { claimReference } from './desired-volume.ts';
import { refersTo } from './matching.ts';

const CLAIM_REF = 'claim-ref';
const UNBOUND = 'unbound';

/** Binds claims to volumes and has volumes made for them. */
export function createClaimReconciler(context: ControllerContext): Reconciler {
  const { client, manager, clock, events, log } = context;
  const claims = manager.cache<PersistentVolumeClaim>(resources.persistentVolumeClaims, {
    indexes: { [UNBOUND]: (claim) => [claim.status?.phase === 'Bound' ? 'no' : 'yes'] },
  });
  const volumes: Cache<PersistentVolume> = manager.cache<PersistentVolume>(resources.persistentVolumes, {
    indexes: {
      // Free volumes are found under the empty key.
      [CLAIM_REF]: ({ spec }) => [spec.claimRef ? `${spec.claimRef.namespace}/${spec.claimRef.name}` : ''],
    },
  });
  const classes = manager.cache<StorageClass>(resources.storageClasses);
  const nodes = manager.cache<Node>(resources.nodes);

  async function observe(claim: Stored<PersistentVolumeClaim>): Promise<ClaimSeen> {
    const { namespace = '', name } = claim.metadata;
    const { volumeName = '', storageClassName = '' } = claim.spec;
    return {
      claim,
      // "Lost" is a verdict about data: it never rests on a cache that may lag.
      volume:
        volumeName === ''
          ? undefined
          : (volumes.get({ namespace: '', name: volumeName }) ??
            (await client.get<PersistentVolume>(resources.persistentVolumes, volumeName))),
      reserved: volumes.byIndex(CLAIM_REF, `${namespace}/${name}`).filter(({ spec }) => refersTo(spec.claimRef, claim)),
      available: volumes.byIndex(CLAIM_REF, ''),
      storageClass: classes.get({ namespace: '', name: storageClassName }),
      defaultClassName: defaultClass(classes.list())?.metadata.name,
      nodes: nodes.list(),
    };
  }

  async function patchVolume(volume: Stored<PersistentVolume>, patch: Record<string, unknown>): Promise<void> {
    const { name, resourceVersion } = volume.metadata;
    const metadata = { ...(patch['metadata'] as object | undefined), resourceVersion };
    await client.patch(resources.persistentVolumes, name, '', { type: 'merge', patch: { ...patch, metadata } });
  }

  async function patchClaim(claim: Stored<PersistentVolumeClaim>, spec: object, annotations: object): Promise<void> {
    const { name, namespace = '', resourceVersion } = claim.metadata;
    await client.patch(resources.persistentVolumeClaims, name, namespace, {
      type: 'merge',
      patch: { metadata: { annotations, resourceVersion }, spec },
    });
  }

  async function carryOut(claim: Stored<PersistentVolumeClaim>, step: ClaimStep): Promise<void> {
    log.info({ PersistentVolumeClaim: keyOf(claim), step: step.do }, 'binding a claim');
    switch (step.do) {
      case 'assign-class':
        return patchClaim(claim, { storageClassName: step.className }, {});
      case 'select-node':
        return patchClaim(claim, {}, { [names.selectedNodeAnnotation]: step.node });
      case 'take':
        return patchVolume(step.volume, {
          spec: { claimRef: claimReference(claim) },
          metadata: { annotations: { [names.boundByControllerAnnotation]: 'yes' } },
        });
      case 'provision':
        await patchClaim(claim, {}, { [storageMarks.storageProvisioner]: names.provisioner });
        try {
          await client.create(resources.persistentVolumes, step.volume);
        } catch (error) {
          if (!isAlreadyExists(error)) throw error;
        }
        return undefined;
      case 'move-provisioning':
        return patchVolume(step.volume, {
          metadata: { annotations: { [storageMarks.provisionNode]: step.node, [storageMarks.provisionError]: null } },
        });
      case 'bind':
        return patchClaim(
          claim,
          { volumeName: step.volumeName },
          {
            [names.bindCompletedAnnotation]: 'yes',
            ...(step.byController ? { [names.boundByControllerAnnotation]: 'yes' } : {}),
          },
        );
      case 'ask-expansion':
        return patchVolume(step.volume, { metadata: { annotations: { [storageMarks.expandTo]: step.size } } });
      case 'finish-expansion':
        return patchVolume(step.volume, {
          metadata: {
            annotations: {
              [storageMarks.expandTo]: null,
              [storageMarks.expandedTo]: null,
              [storageMarks.expanded]: step.size,
            },
          },
          spec: { capacity: { storage: step.size } },
        });
    }
  }

  return {
    name: 'claims',
    concurrency: 2,
    watches: [
      { resource: resources.persistentVolumeClaims, toKeys: (claim) => [keyOf(claim)] },
      { resource: resources.persistentVolumes, toKeys: (volume) => claimKeys(volume as Stored<PersistentVolume>) },
      { resource: resources.storageClasses, toKeys: unboundKeys },
      { resource: resources.nodes, toKeys: unboundKeys },
    ],
    async reconcile(key) {
      const claim = claims.get(key);
      if (!claim) return;
      const plan = decideClaim(await observe(claim), clock.now());
      if (plan.event) events.record(claim, plan.event.type, plan.event.reason, plan.event.message);
      if (!jsonEqual(plan.status, claim.status ?? {})) {
        // A merge patch keeps members that are not named: what is to go must be said.
        const gone = Object.fromEntries(Object.keys(claim.status ?? {}).map((member) => [member, null]));
        const patch = { status: { ...gone, ...plan.status } };
        await client.patch(
          resources.persistentVolumeClaims,
          key.name,
          key.namespace,
          { type: 'merge', patch },
          'status',
        );
      }
      if (plan.step) await carryOut(claims.get(key) ?? claim, plan.step);
    },
  };

  function unboundKeys(): ObjectKey[] {
    return claims.byIndex(UNBOUND, 'yes').map((claim: KubeObject) => keyOf(claim));
  }

  function claimKeys(volume: Stored<PersistentVolume>): ObjectKey[] {
    const ref = volume.spec.claimRef;
    return ref ? [{ namespace: ref.namespace, name: ref.name }] : unboundKeys();
  }
}
