import { readFileSync } from 'node:fs';
import { systemClock } from '@godwit/core/clock';
import { silentLogger } from '@godwit/core/logger';
import { createQemuHypervisor, type MachineSpec } from '@godwit/hypervisor';
import { rawFile } from '@godwit/hypervisor/testing';
import {
  startInPlace,
  startSource,
  startTarget,
  type InPlaceOptions,
  type LinkCredentials,
  type MigrationIdentity,
  type SideStatus,
  type SourceOptions,
} from '../../src/migration/index.ts';
import { refusePivots } from './refused-pivot.ts';

/** One agent with one migration, in a process that a test can kill. Prints a line of JSON for what happens. */
export interface AgentConfig {
  readonly role: 'source' | 'target' | 'in-place';
  readonly identity: MigrationIdentity;
  readonly configuration: SourceOptions['configuration'];
  readonly journalDir: string;
  readonly directory: string;
  readonly credentials: LinkCredentials;
  /** Source. */
  readonly spec?: MachineSpec;
  readonly target?: SourceOptions['target'];
  readonly copyDisks?: readonly string[];
  /** Target. */
  readonly image?: string;
  /** Source and in place: compares the disks; `Verified` is then a phase to halt in. */
  readonly verify?: boolean;
  /** In place. */
  readonly disks?: InPlaceOptions['disks'];
  /** In place: QEMU refuses the pivot; `Refused` is then a phase to halt in. */
  readonly refusePivot?: boolean;
  /** In this phase the whole process stands still, so that a kill hits exactly there. */
  readonly haltIn: string;
}

// The cast is safe: a test of this directory wrote the file.
const config = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as AgentConfig;
const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);
const onStatus = ({ phase }: Pick<SideStatus, 'phase'>) => {
  if (phase !== config.haltIn) return;
  // Synchronous: after it nothing else of this process runs until it is killed.
  const line = `${JSON.stringify({ halted: phase })}\n`;
  const { writeSync } = process.getBuiltinModule('node:fs');
  writeSync(1, line);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
};

const hypervisor = await createQemuHypervisor({ log: silentLogger, clock: systemClock });
const { identity, configuration, journalDir, directory, credentials } = config;
const common = { identity, configuration, journalDir, credentials, log: silentLogger, onStatus };
const verify = { verify: config.verify === true, onVerified: () => onStatus({ phase: 'Verified' }) };
if (config.role === 'target') {
  const target = startTarget({
    ...common,
    hypervisor,
    acceleration: 'tcg',
    directory,
    prepare: async () => ({ backings: [rawFile(config.image ?? '')] }),
  });
  say({ ports: await target.listening });
  say({ outcome: (await target.done).result });
} else {
  const machine = await hypervisor.adopt(directory);
  if (machine === undefined) throw new Error(`No machine in ${directory}`);
  if (config.role === 'in-place') {
    const refused = () => onStatus({ phase: 'Refused' });
    const moving = config.refusePivot === true ? refusePivots(machine, refused) : machine;
    const move = startInPlace({ ...common, ...verify, machine: moving, disks: config.disks ?? [] });
    say({ outcome: (await move.done).result });
  } else if (config.spec !== undefined && config.target !== undefined) {
    const { spec, target } = config;
    const source = startSource({ ...common, ...verify, machine, spec, target, copyDisks: config.copyDisks ?? [] });
    say({ outcome: (await source.done).result });
  }
}
