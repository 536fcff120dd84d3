import { names } from '@godwit/api';
import type {
  MigrationVerification,
  ObjectKey,
  Pod,
  Stored,
  VirtualMachineInstance,
  VirtualMachineInstanceMigration,
} from '@godwit/api';
import type { Clock } from '@godwit/core/clock';
import { describeError, GodwitError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type { Acceleration, Hypervisor, Machine } from '@godwit/hypervisor';
import { expectCarrier } from '@godwit/migration-link';
import type { AgentMetrics } from '../endpoint/metrics.ts';
import type { DiskFilesIo } from '../launcher/disk-files.ts';
import type { HeldMachine } from '../launcher/held-machines.ts';
import type { Machines } from '../launcher/machines.ts';
import type { MachineRecord, MachineRecords } from '../launcher/record.ts';
import { startInPlace, startSource, startTarget } from '../migration/index.ts';
import type { InPlaceOptions, LinkCredentials, MigrationPorts, PrepareAnswer } from '../migration/types.ts';
import { changeVmi } from '../vmi/write-vmi.ts';
import type { EventRecorder } from '@godwit/reconcile';
import { createCredentialsAhead, obtainCredentials } from './credentials.ts';
import { createExecutors, incomingMachine, vmiKeyOf } from './executors.ts';
import type { Executor, Executors } from './executors.ts';
import { copiedDisks, identityOf, isCrossCluster, postCopyProblem } from './identity.ts';
import { copyBegins } from './outcome.ts';
import { inPlaceDisks } from './in-place-disks.ts';
import { tellLimitedWrites } from './limited-writes.ts';
import { createProgressWriter, type ProgressWriter } from './progress-writer.ts';
import { createMoveRecords } from './record.ts';
import type { MoveRecord } from './record.ts';
import { settleOutcome } from './settle.ts';
import { takeUpMoves } from './take-up.ts';
import { prepareTargetDisks } from './target-disks.ts';
import { tellVerification } from './verification.ts';

type Vmi = Stored<VirtualMachineInstance>;
type Vmim = Stored<VirtualMachineInstanceMigration>;

export interface MovesIo extends DiskFilesIo {
  readonly machines: Machines;
  readonly records: MachineRecords;
  readonly events: EventRecorder;
  readonly hypervisor: Hypervisor;
  readonly metrics: AgentMetrics;
}

/** Starts, recovers and keeps the migrations of this node; what to start is the reconciler's decision. */
export interface Moves extends Executors {
  /** Takes up what an earlier agent was doing. Resolves with the pods whose machines a migration has in its hands. */
  recover(): Promise<ReadonlySet<string>>;
  /** Resolves with where the source must connect, as soon as this node listens. */
  startTarget(vmi: Vmi, vmim: Vmim, pod: Stored<Pod>): Promise<MigrationPorts>;
  /** A migration will soon begin here: loads and starts what that takes. */
  expect(): void;
  /** Gets the source's certificate, which may take its time. Idempotent, and asked anew after a failure. */
  prepareSource(vmi: Vmi, vmim: Vmim): Promise<LinkCredentials>;
  startSource(
    vmi: Vmi,
    vmim: Vmim,
    held: HeldMachine,
    at: { readonly target: { host: string; ports: MigrationPorts }; readonly credentials: LinkCredentials },
  ): Promise<void>;
  startInPlace(vmi: Vmi, vmim: Vmim, held: HeldMachine): Promise<void>;
}

/** After the end of a migration, until the node is ready for the next one: the guest that came needs the processors first. */
const READY_AGAIN_MS = 2_000;

export function createMoves(
  options: {
    readonly nodeName: string;
    readonly address: string;
    readonly acceleration: Acceleration;
    readonly journalDir: string;
    readonly machinesRoot: string;
    readonly multifdChannels: number;
  },
  dependencies: {
    readonly io: MovesIo;
    readonly clock: Clock;
    readonly log: Logger;
    readonly onChange: (vmi: ObjectKey) => void;
    readonly onPod: (pod: ObjectKey) => void;
  },
): Moves {
  const { io, clock, log, onChange } = dependencies;
  const { nodeName, journalDir } = options;
  const moveRecords = createMoveRecords(io.records, options.machinesRoot);
  const executors = createExecutors({
    ...dependencies,
    journalDir,
    moveRecords,
    async settle(executor, outcome) {
      const { role, pod, vmi } = executor.record;
      if (role !== 'target' && outcome.result !== 'running' && outcome.result !== 'lost')
        io.metrics.migrationEnded({ namespace: pod.namespace, name: vmi.name }, outcome.result);
      await settleOutcome(io, executor, outcome);
      // Where one guest has moved another soon does.
      if (role !== 'in-place') clock.after(READY_AGAIN_MS, expectCarrier);
    },
  });

  function progressOf(record: MoveRecord): ProgressWriter {
    const at = { namespace: record.pod.namespace, name: record.migrationName, uid: record.migrationUid };
    const writer = createProgressWriter(io.client, at, { clock, log });
    return {
      ...writer,
      write(figures) {
        writer.write(figures);
        io.metrics.migrationProgress(vmiKeyOf(record), figures);
      },
    };
  }

  function recordOf(role: MoveRecord['role'], vmi: Vmi, vmim: Vmim, pod: MachineRecord['pod']): MoveRecord {
    return {
      role,
      identity: identityOf(vmi, vmim, role === 'target' ? 'target' : 'source'),
      migrationUid: vmim.metadata.uid,
      migrationName: vmim.metadata.name,
      pod,
      vmi: { name: vmi.metadata.name, uid: vmi.metadata.uid },
      crossCluster: isCrossCluster(vmim),
    };
  }

  const common = (record: MoveRecord, vmi: Vmi) => ({
    identity: record.identity,
    configuration: vmi.status?.migrationState?.migrationConfiguration ?? {},
    journalDir,
    log,
    clock,
  });

  const renew = (identity: MoveRecord['identity'], role: 'source' | 'target') =>
    obtainCredentials(io.client, identity, role, nodeName);

  const verifying = (record: MoveRecord, vmi: Vmi, vmim: Vmim) => ({
    verify: vmim.metadata.annotations?.[names.verifyAnnotation] === 'true',
    onVerified: (verification: MigrationVerification) =>
      // The reconciler says it again should this not arrive.
      void tellVerification(io, vmi, record, verification).catch((error: unknown) =>
        log.warn({ migrationUID: record.migrationUid, err: describeError(error) }, 'verification not told yet'),
      ),
  });

  /** Records that the copy begins; false when the migration was ended in the meantime. */
  async function begin(vmi: Vmi, migrationUid: string, onTarget: readonly string[] | undefined): Promise<boolean> {
    const key = { namespace: vmi.metadata.namespace ?? '', name: vmi.metadata.name, uid: vmi.metadata.uid };
    const now = clock.now();
    const written = await changeVmi(io.client, key, (current) => copyBegins(current, migrationUid, now, onTarget), vmi);
    const state = written?.status?.migrationState;
    return state?.migrationUid === migrationUid && state.startTimestamp !== undefined && state.failed !== true;
  }

  /**
   * Whether somebody has paused the guest, which then stays so. From this look on nobody pauses it or lets it run any more:
   * guest verbs are for the migration to give.
   */
  async function takeCustody<T>({ machine, record: { pod } }: HeldMachine, use: (paused: boolean) => T): Promise<T> {
    io.machines.setCustody(pod.uid, 'migration');
    try {
      return use((await machine.state()) === 'paused');
    } catch (error) {
      io.machines.setCustody(pod.uid, 'agent');
      throw error;
    }
  }

  function requireUnpaused(paused: boolean, { record: { vmi } }: HeldMachine): void {
    if (!paused) return;
    throw new GodwitError(
      'MOVE_UNSUPPORTED',
      `VMI ${vmi.name} is paused; its disks can be compared in place once it runs again`,
    );
  }

  /** Shared by source and in place: the record, the durable beginning, then the executor. */
  async function run(
    record: MoveRecord,
    vmi: Vmi,
    start: (onProgress: InPlaceOptions['onProgress']) => Executor['handle'],
    onTarget?: readonly string[],
  ): Promise<void> {
    let begun = false;
    try {
      await moveRecords.write(record);
      begun = await begin(vmi, record.migrationUid, onTarget);
      if (!begun) return await moveRecords.remove(record.pod.uid);
    } finally {
      if (!begun) io.machines.setCustody(record.pod.uid, 'agent');
    }
    const progress = progressOf(record);
    io.machines.setCustody(record.pod.uid, 'migration');
    const tellLimits = tellLimitedWrites(io.events, vmi);
    const handle = start((figures) => {
      progress.write(figures);
      tellLimits(figures);
    });
    executors.add(record, handle, progress);
    io.events.record(vmi, 'Normal', 'Migrating', 'VirtualMachineInstance is migrating.');
  }

  /** Holds the incoming QEMU for its console as soon as it is there. */
  function holdIncoming(record: MoveRecord, machine: Machine | undefined, prepared: PrepareAnswer | undefined): void {
    if (!machine || !prepared || 'refused' in prepared || !prepared.spec || io.machines.get(record.pod.uid)) return;
    const runDirectory = io.machines.runDirectoryOf(record.pod.uid);
    const { spec, backings } = prepared;
    const { pod, vmi } = record;
    io.machines.hold(machine, { version: 1, pod, vmi, spec, backings, runDirectory, state: 'launching' }, 'migration');
  }

  const ahead = createCredentialsAhead(clock);

  return {
    ...executors,
    recover: () => takeUpMoves({ ...dependencies, journalDir, moveRecords, executors, progressOf, renew }),

    async startTarget(vmi, vmim, pod) {
      const place = { namespace: pod.metadata.namespace ?? '', name: pod.metadata.name, uid: pod.metadata.uid };
      const record = recordOf('target', vmi, vmim, place);
      const credentials = await renew(record.identity, 'target');
      const directory = await io.machines.makeRunDirectory(place.uid);
      await moveRecords.write(record);
      let prepared: PrepareAnswer | undefined;
      const handle = startTarget({
        ...common(record, vmi),
        hypervisor: io.hypervisor,
        acceleration: options.acceleration,
        credentials,
        renew: () => renew(record.identity, 'target'),
        host: options.address,
        directory,
        prepare: async (request) => {
          prepared = await prepareTargetDisks(vmi, io.records.directoryOf(place.uid), request, io);
          return prepared;
        },
        onStatus: () => {
          holdIncoming(record, incomingMachine(handle), prepared);
          onChange({ namespace: place.namespace, name: record.vmi.name });
        },
      });
      executors.add(record, handle, progressOf(record));
      io.events.record(vmi, 'Normal', 'PreparingTarget', 'VirtualMachineInstance Migration Target Prepared.');
      return handle.listening;
    },

    expect() {
      expectCarrier();
    },

    prepareSource: (vmi, vmim) => ahead(vmim.metadata.uid, () => renew(identityOf(vmi, vmim, 'source'), 'source')),

    async startSource(vmi, vmim, held, { target, credentials }) {
      const record = recordOf('source', vmi, vmim, held.record.pod);
      const copyDisks = copiedDisks(vmi, held.record.spec, record.crossCluster);
      const { machine } = held;
      const paused = await takeCustody(held, (found) => found);
      const { spec } = held.record;
      await run(record, vmi, (onProgress) =>
        startSource({
          ...common(record, vmi),
          machine,
          spec,
          target,
          copyDisks,
          credentials,
          paused,
          multifdChannels: options.multifdChannels,
          renew: () => renew(record.identity, 'source'),
          ...postCopyProblem(vmi, record.crossCluster),
          ...verifying(record, vmi, vmim),
          onStatus: () => onChange({ namespace: record.pod.namespace, name: record.vmi.name }),
          ...(onProgress && { onProgress }),
        }),
      );
    },

    async startInPlace(vmi, vmim, held) {
      const record = recordOf('in-place', vmi, vmim, held.record.pod);
      const { disks, onTarget } = await inPlaceDisks(vmi, held, io);
      const verification = verifying(record, vmi, vmim);
      // Comparing pauses the guest, and lets it run afterwards.
      if (verification.verify) await takeCustody(held, (paused) => requireUnpaused(paused, held));
      const start = (onProgress: InPlaceOptions['onProgress']): Executor['handle'] =>
        startInPlace({
          ...common(record, vmi),
          machine: held.machine,
          disks,
          ...verification,
          onStatus: () => onChange({ namespace: record.pod.namespace, name: record.vmi.name }),
          ...(onProgress && { onProgress }),
        });
      await run(record, vmi, start, onTarget);
    },
  };
}
