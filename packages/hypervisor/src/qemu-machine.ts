import type { Clock } from '@godwit/core/clock';
import { describeError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import { createDiskGraph } from './disk-graph.ts';
import { createDiskExports } from './disk-exports.ts';
import { processEnd } from './end-process.ts';
import { hypervisorError } from './errors.ts';
import { addForwards } from './forwards.ts';
import { createHotDisks } from './hot-disks.ts';
import { machineEventOf } from './machine-events.ts';
import { createMemoryMigration } from './memory-migration.ts';
import { createWriteLimits } from './limit-writes.ts';
import { createMirrorMode } from './mirror-mode.ts';
import { createMirrorRestart } from './mirror-restart.ts';
import { createMirrors } from './mirrors.ts';
import type { Monitor } from './monitor.ts';
import { isSameProcessAlive, signalProcess, type ProcessIdentity } from '@godwit/core/process-identity';
import { createDiskResize } from './resize-disk.ts';
import { runStateOf } from './run-state.ts';
import type { MachineRecord } from './machine-record.ts';
import type { Machine, MachineEvent, RunState } from './contract/machine.ts';

/** How long QEMU may take to end by itself before it is killed. */
const QUIT_MS = 3_000;

/** The machine behind a connected monitor; `process` is the QEMU that answers there. */
export async function createQemuMachine(context: {
  readonly monitor: Monitor;
  readonly process: ProcessIdentity;
  readonly record: MachineRecord;
  readonly log: Logger;
  readonly clock: Clock;
}): Promise<Machine> {
  const { monitor, process: qemu, record, log, clock } = context;
  const { options } = record;
  const { spec, directory } = options;
  const disks = createHotDisks({ monitor, record: { ...record, process: qemu }, log });
  const listeners = new Set<(event: MachineEvent) => void>();
  const publish = (event: MachineEvent): void => {
    for (const listener of listeners) listener(event);
  };
  monitor.onEvent((qmpEvent) => {
    const event = machineEventOf(qmpEvent, disks.spec());
    if (event) publish(event);
  });

  let released = false;
  const exit = Promise.withResolvers<void>();
  void monitor.closed.then(async () => {
    if (released) return;
    await processEnd(qemu, Number.POSITIVE_INFINITY);
    log.info({ pid: qemu.pid, machine: spec.name }, 'machine ended');
    publish({ type: 'exited', atMs: clock.now() });
    exit.resolve();
  });

  // Who adopts a machine must get it whatever its disks do; whoever changes one settles them again first.
  await disks.settle().catch((error: unknown) => {
    log.warn({ machine: spec.name, err: describeError(error) }, 'disk not settled yet');
  });
  const graph = createDiskGraph(monitor, disks.spec);
  const mirrors = createMirrors({ monitor, graph, log });
  const restart = createMirrorRestart({ monitor, log, startMirror: (...call) => mirrors.startMirror(...call) });

  /** Once a machine does not wait for its memory any more, it never will again. */
  let hasMemory = options.mode !== 'incoming';

  async function state(): Promise<RunState> {
    try {
      const now = runStateOf((await monitor.execute('query-status')).status);
      hasMemory ||= now !== 'incoming';
      return now;
    } catch (error) {
      if (!isSameProcessAlive(qemu)) return 'gone';
      throw error;
    }
  }

  return {
    pid: qemu.pid,
    directory,
    state,
    onEvent(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async resume() {
      // While memory still comes in, `cont` would only arm QEMU to run by itself afterwards: nobody's decision.
      if (!hasMemory && (await state()) === 'incoming') {
        throw hypervisorError('HYPERVISOR_WRONG_STATE', `${spec.name} still waits for its memory`);
      }
      await monitor.execute('cont');
      if (options.mode === 'incoming') addForwards(monitor, spec, log);
    },
    async pause() {
      await monitor.execute('stop');
    },
    async powerDown() {
      await monitor.execute('system_powerdown');
    },
    async reset() {
      await monitor.execute('system_reset');
    },
    async kill() {
      log.info({ pid: qemu.pid, machine: spec.name }, 'ending machine');
      // Without an answer, or with an error, the signal below does it.
      monitor.execute('quit').catch(() => undefined);
      if (!(await processEnd(qemu, QUIT_MS))) {
        signalProcess(qemu, 'SIGKILL');
        await processEnd(qemu, Number.POSITIVE_INFINITY);
      }
    },
    exited: () => exit.promise,
    backings: () => graph.backings(),
    spec: disks.spec,
    attachDisk: disks.attachDisk,
    detachDisk: disks.detachDisk,
    cutLinks: () => monitor.cutLinks(),
    disconnect() {
      released = true;
      listeners.clear();
      monitor.disconnect();
    },
    ...mirrors,
    ...restart,
    ...createMirrorMode({ monitor, log, restartMirror: (...call) => restart.restartMirror(...call) }),
    ...createWriteLimits({ monitor, log }),
    ...createMemoryMigration({ monitor, graph, log, state }),
    ...createDiskExports({ monitor, graph, log }),
    ...createDiskResize({ monitor, graph, log }),
  };
}
