import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { waitFor } from '@godwit/core/wait';

export interface GuestDisks {
  readonly root: string;
  readonly data: string;
  readonly cidata?: string;
}

/** One QEMU with the guest in it, driven by hand: what the tests need of QMP and no more. */
export class TestQemu {
  readonly process: ChildProcess;
  readonly directory: string;
  #socket: Socket | undefined;
  readonly #answers: ((value: unknown) => void)[] = [];
  readonly events: string[] = [];

  constructor(directory: string, disks: GuestDisks, incoming = false) {
    this.directory = directory;
    const drive = (id: string, path: string, more = '', options = '') => [
      '-drive',
      `if=none,id=${id},file=${path},format=raw,cache=none${options}`,
      '-device',
      `virtio-blk-pci,drive=${id}${more}`,
    ];
    // Not a multiple of 256 KiB: QEMU before 9.0 under TCG would corrupt the guest's memory in a migration.
    const machine = '-machine q35 -accel tcg,tb-size=64 -cpu max -m 131080K -nodefaults -display none -no-user-config';
    const network =
      '-netdev user,id=net,net=10.0.2.0/24,host=10.0.2.1,dhcpstart=10.0.2.2 -device virtio-net-pci,netdev=net';
    const monitor = (name: string) => ['-qmp', `unix:${join(directory, name)},server=on,wait=off`];
    const args = [
      ...machine.split(' '),
      ...network.split(' '),
      ...monitor('qmp'),
      ...monitor('observe.sock'),
      '-serial',
      `file:${join(directory, 'serial.log')}`,
      ...drive('root', disks.root, ',bootindex=1'),
      ...drive('data', disks.data, ',serial=oracle'),
      ...(disks.cidata === undefined ? [] : drive('ci', disks.cidata, '', ',readonly=on')),
      ...(incoming ? ['-incoming', 'defer', '-S'] : []),
    ];
    this.process = spawn('qemu-system-x86_64', args, { stdio: ['ignore', 'ignore', 'inherit'] });
  }

  async connect(): Promise<void> {
    const path = join(this.directory, 'qmp');
    const socket = await waitFor(
      async () => {
        const attempt = createConnection(path);
        return once(attempt, 'connect').then(
          () => attempt,
          () => undefined,
        );
      },
      { timeoutMs: 10_000, what: path },
    );
    this.#socket = socket;
    createInterface({ input: socket }).on('line', (line) => {
      const message = JSON.parse(line) as Record<string, unknown>; // QMP sends objects
      if (typeof message['event'] === 'string') this.events.push(message['event']);
      else if (!('QMP' in message)) this.#answers.shift()?.(message['return'] ?? message['error']);
    });
    await this.run('qmp_capabilities');
  }

  run(command: string, args: object = {}): Promise<unknown> {
    return new Promise((resolve) => {
      this.#answers.push(resolve);
      this.#socket?.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    });
  }

  async exited(): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) await once(this.process, 'exit');
  }

  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.exited();
    this.#socket?.destroy();
  }

  async console(): Promise<string> {
    return readFile(join(this.directory, 'serial.log'), 'utf8').catch(() => '');
  }
}
