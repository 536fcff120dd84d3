import { keyOf, names, resources } from '@godwit/api';
import type { ObjectKey, Pod, Stored, VirtualMachineInstance } from '@godwit/api';
import type { Clock } from '@godwit/core/clock';
import { describeError, GodwitError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type { Acceleration, Hypervisor } from '@godwit/hypervisor';
import { isKubeApiError, isUnreachable } from '@godwit/kube-client';
import type { Cache, EventRecorder, Reconciler, ReconcileResult } from '@godwit/reconcile';
import { publishRunning, publishSilent } from '../vmi/publish.ts';
import { claimNameOf, seeClaims, waitingFor } from './claims.ts';
import { decideLauncher } from './decide.ts';
import type { LauncherPlan, SeenLauncher } from './decide.ts';
import { prepareDiskFiles } from './disk-files.ts';
import type { DiskFilesIo } from './disk-files.ts';
import { refusePod } from './foreign-pods.ts';
import { growDisks } from './grow-disks.ts';
import { needsGuard, setGuard } from './guard.ts';
import { machineSpecOf } from './machine-spec.ts';
import type { HeldMachine } from './held-machines.ts';
import type { Machines } from './machines.ts';
import { plugDisks } from './plug-disks.ts';
import type { PlugTrouble } from './plug-disks.ts';
import { reportPod } from './pod-status.ts';
import { createPowerButton } from './power-button.ts';
import type { MachineEnd, MachineRecords } from './record.ts';
import { settleStrays } from './strays.ts';

/** What the launcher asks of the side that moves guests. */
export interface MoveCustody {
  /** An executor works for this pod, or is about to. */
  isMoving(podUid: string): boolean;
  /** Such an executor that cannot find out how far the migration of this pod is. */
  isUnreadable(podUid: string): boolean;
  /** Its executor works for the side that the guest is to leave, or stays on. */
  isSource(podUid: string): boolean;
  /** How the migration of this pod ended is known here and not yet in its VMI, which nobody else can tell. */
  isUntold(podUid: string): boolean;
  /**
   * Ends the migration of this pod, if it still can be ended; with `guest` the guest too, should it be in the migration's
   * hands here and on no other node any more. Returns at once.
   */
  abort(podUid: string, reason: string, guest?: 'ask' | 'force'): void;
  /** The pod is gone for good: nothing about its migration has to be told any more. */
  forgetPod(podUid: string): Promise<void>;
}

export interface LauncherIo extends DiskFilesIo {
  readonly pods: Cache<Pod>;
  readonly instances: Cache<VirtualMachineInstance>;
  readonly machines: Machines;
  readonly records: MachineRecords;
  readonly moves: MoveCustody;
  readonly events: EventRecorder;
}

export interface LauncherOptions {
  readonly nodeName: string;
  readonly address: string;
  readonly acceleration: Acceleration;
  readonly qemu: Hypervisor['version'];
}

const LOOK_AGAIN_MS = 5000;
const SAFETY_MS = 30_000;

/** The VMI a launcher pod was made for. */
export function instanceKeyOf(pod: Pod): ObjectKey | undefined {
  const name = pod.metadata.annotations?.[names.domainAnnotation];
  return name === undefined ? undefined : { namespace: pod.metadata.namespace ?? '', name };
}

export function isLauncher(pod: Pod): boolean {
  return pod.metadata.labels?.[names.appLabel] === 'virt-launcher';
}

/** Runs the launcher pods bound to this node, as kubelet and virt-handler would. */
export function createLauncherReconciler(
  options: LauncherOptions,
  { io, clock, log }: { io: LauncherIo; clock: Clock; log: Logger },
): Reconciler {
  const button = createPowerButton({ machines: io.machines, moves: io.moves, clock });

  async function observe(pod: Stored<Pod>): Promise<SeenLauncher> {
    const { uid } = pod.metadata;
    const key = instanceKeyOf(pod);
    const found = key && io.instances.get(key);
    const vmi = found?.metadata.uid === pod.metadata.labels?.[names.createdByLabel] ? found : undefined;
    const held = io.machines.get(uid);
    const record = held?.record ?? (await io.records.read(uid));
    return {
      pod,
      vmi,
      waiting: vmi && waitingFor(seeClaims(io, vmi), options.nodeName),
      machine: held,
      launched: record !== undefined && record.state !== 'launching',
      end: record?.end,
      silent: io.machines.whyReserved(uid),
      migrating: io.moves.isMoving(uid),
      unreadable: io.moves.isUnreadable(uid),
      powerDown: button.pressed(uid),
    };
  }

  const report = (pod: Stored<Pod>, status: Parameters<typeof reportPod>[2]): Promise<void> =>
    reportPod(io.client, pod, status, options.address, clock.now());

  async function launch({ pod, vmi }: SeenLauncher): Promise<ReconcileResult | void> {
    if (!vmi) return;
    try {
      await start(pod, vmi);
    } catch (error) {
      if (isKubeApiError(error) || isUnreachable(error)) throw error;
      const message = describeError(error);
      log.warn({ Pod: keyOf(pod), err: message }, 'guest could not be started');
      const unavailable = error instanceof GodwitError && error.code === 'IMAGE_UNAVAILABLE';
      if (!(error instanceof GodwitError) || unavailable || error.retry !== 'never') {
        const reason = unavailable ? 'ErrImagePull' : 'StartRetried';
        await report(pod, { phase: 'Pending', ready: false, reason, message });
        return { requeueAfterMs: LOOK_AGAIN_MS };
      }
      io.events.record(vmi, 'Warning', 'SyncFailed', message);
      return report(pod, { phase: 'Failed', ready: false, reason: 'StartFailed', message });
    }
    return { requeueAfterMs: 0 };
  }

  async function start(pod: Stored<Pod>, vmi: Stored<VirtualMachineInstance>): Promise<void> {
    const { uid } = pod.metadata;
    const files = await prepareDiskFiles(vmi, io.records.directoryOf(uid), io);
    const spec = machineSpecOf(vmi, {
      acceleration: options.acceleration,
      qemu: options.qemu,
      sizeOf: (volume) => files.get(volume)?.sizeBytes ?? 0,
    });
    await io.machines.launch({
      pod: { namespace: pod.metadata.namespace ?? '', name: pod.metadata.name, uid },
      vmi: { name: vmi.metadata.name, uid: vmi.metadata.uid },
      spec,
      backings: [...files.values()].map((file) => file.backing),
      mode: vmi.spec.startStrategy === 'Paused' ? 'boot-paused' : 'boot',
    });
    io.events.record(vmi, 'Normal', 'Started', 'VirtualMachineInstance started.');
  }

  async function reportRunning({ pod, vmi }: SeenLauncher): Promise<ReconcileResult> {
    await report(pod, { phase: 'Running', ready: true });
    const held = io.machines.get(pod.metadata.uid);
    // A migration that is about to begin may take its time for that; disks wait, the pod does not.
    const busy = io.machines.isBusy(pod.metadata.uid);
    const troubles = vmi && held && !busy ? await changeDisks(vmi, held) : [];
    if (vmi && held) await publishRunning(io, vmi, held, options.nodeName, clock, troubles);
    return { requeueAfterMs: busy || troubles.length > 0 ? LOOK_AGAIN_MS : SAFETY_MS };
  }

  /** Disks that came, went or grew; a migration takes them as they are, and begins before or after. */
  function changeDisks(vmi: Stored<VirtualMachineInstance>, held: HeldMachine): Promise<readonly PlugTrouble[]> {
    const { uid } = held.record.pod;
    return io.machines.exclusively(uid, async () => {
      if (held.custody !== 'agent' || io.moves.isMoving(uid)) return [];
      const troubles = await plugDisks(io, vmi, held, options.nodeName);
      await growDisks(io, vmi, held);
      return troubles;
    });
  }

  async function reportEnd(pod: Stored<Pod>, end: MachineEnd): Promise<void> {
    const failed = end.outcome === 'crashed';
    await report(pod, {
      phase: failed ? 'Failed' : 'Succeeded',
      ready: false,
      message: end.message,
      ...(failed && { reason: 'GuestCrashed' }),
    });
  }

  async function carryOut(seen: SeenLauncher, plan: LauncherPlan): Promise<ReconcileResult | void> {
    const { pod } = seen;
    const { uid } = pod.metadata;
    switch (plan.do) {
      case 'nothing':
        return;
      case 'launch':
        return launch(seen);
      case 'wait':
        await report(pod, { phase: 'Pending', ready: false, ...plan.waiting });
        return { requeueAfterMs: LOOK_AGAIN_MS };
      case 'fail':
        return report(pod, { phase: 'Failed', ready: false, reason: plan.reason, message: plan.message });
      case 'prepare-target':
        return report(pod, { phase: 'Running', ready: true });
      case 'report-running':
        return reportRunning(seen);
      case 'report-end':
        await reportEnd(pod, plan.end);
        return { requeueAfterMs: 0 };
      case 'unguard':
        return setGuard(io.client, pod, false);
      case 'abort-migration':
        button.expect(uid);
        io.moves.abort(uid, 'the launcher pod was deleted', plan.guest);
        if (plan.press) await button.pressAtHome(uid);
        return { requeueAfterMs: 1000 };
      case 'power-down':
        log.info({ Pod: keyOf(pod) }, 'asking guest to shut down');
        await button.press(uid);
        return { requeueAfterMs: Math.min(plan.lookAgainMs, LOOK_AGAIN_MS) };
      case 'await-power-down':
        return { requeueAfterMs: Math.min(plan.lookAgainMs, LOOK_AGAIN_MS) };
      case 'await-answer':
        button.expect(uid);
        return { requeueAfterMs: Math.min(plan.lookAgainMs, LOOK_AGAIN_MS) };
      case 'report-silent':
        if (seen.vmi) await publishSilent(io, seen.vmi, options.nodeName, plan.why, clock);
        return { requeueAfterMs: SAFETY_MS };
      case 'kill':
        await io.machines.kill(uid, plan.message);
        return { requeueAfterMs: 0 };
      case 'remove':
        if (seen.vmi && io.moves.isUntold(uid)) return { requeueAfterMs: 500 };
        return remove(pod);
    }
  }

  async function remove(pod: Stored<Pod>): Promise<void> {
    log.info({ Pod: keyOf(pod) }, 'removing pod');
    button.forget(pod.metadata.uid);
    await io.moves.forgetPod(pod.metadata.uid);
    await io.machines.forget(pod.metadata.uid);
    await setGuard(io.client, pod, false);
    await io.client.delete(resources.pods, pod.metadata.name, pod.metadata.namespace, {
      gracePeriodSeconds: 0,
      preconditions: { uid: pod.metadata.uid },
    });
  }

  return {
    name: 'launcher',
    // Guests that do not answer are waited for: the others must not wait for those.
    concurrency: 8,
    watches: [
      { resource: resources.pods, toKeys: (pod) => [keyOf(pod)] },
      { resource: resources.virtualMachineInstances, toKeys: (vmi) => podsOf(vmi) },
      {
        resource: resources.persistentVolumeClaims,
        toKeys: (pvc) => podsUsing(pvc.metadata.namespace, pvc.metadata.name),
      },
      {
        resource: resources.persistentVolumes,
        toKeys: (pv) => {
          const claim = (pv as { spec?: { claimRef?: { namespace: string; name: string } } }).spec?.claimRef;
          return claim ? podsUsing(claim.namespace, claim.name) : [];
        },
      },
    ],
    async reconcile(key) {
      const pod = io.pods.get(key);
      if (!pod) return settleStrays(key, io, log);
      if (pod.spec.nodeName !== options.nodeName) return;
      if (!isLauncher(pod)) return refusePod(io, pod, options.address, clock.now());
      const seen = await observe(pod);
      const plan = decideLauncher(seen, clock.now());
      if (needsGuard(seen, plan)) await setGuard(io.client, pod, true);
      return carryOut(seen, plan);
    },
  };

  function podsOf(vmi: { metadata: { namespace?: string; uid?: string } }): ObjectKey[] {
    return io.pods
      .list(vmi.metadata.namespace)
      .filter((pod) => pod.metadata.labels?.[names.createdByLabel] === vmi.metadata.uid)
      .map(keyOf);
  }

  function podsUsing(namespace: string | undefined, claimName: string | undefined): ObjectKey[] {
    return io.pods
      .list(namespace)
      .filter((pod) => usesClaim(pod, claimName))
      .map(keyOf);
  }

  function usesClaim(pod: Stored<Pod>, claimName: string | undefined): boolean {
    const key = instanceKeyOf(pod);
    return (
      io.instances
        .get(key ?? { namespace: '', name: '' })
        ?.spec.volumes?.some((one) => claimNameOf(one) === claimName) ?? false
    );
  }
}
