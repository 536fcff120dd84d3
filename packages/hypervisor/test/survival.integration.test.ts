import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, chmod, constants, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createQemuHypervisor, probeAcceleration } from '../src/index.ts';
import { buildBootSectorDisk, rawFile, watchSerial } from '../src/testing/index.ts';
import { systemClock } from '@godwit/core/clock';
import { silentLogger } from '@godwit/core/logger';
import { identifyProcess } from '@godwit/core/process-identity';
import { createRig, DISK, DISK_BYTES, emptyFile, expectDiskSound, type Rig } from './rig.ts';

const FIXTURE = fileURLToPath(new URL('fixtures/launch-and-mirror.ts', import.meta.url));
const kvm = await access('/dev/kvm', constants.R_OK | constants.W_OK).then(
  () => true,
  () => false,
);

describe('what outlives us', () => {
  let rig: Rig;
  beforeEach(async () => {
    rig = await createRig();
  });
  afterEach(() => rig[Symbol.asyncDispose]());

  it('a machine and its copy go on after kill -9 of the process that started them', async () => {
    const directory = join(rig.directory, 'vm');
    const [image, copy] = [join(rig.directory, 'vm.img'), join(rig.directory, 'copy.img')];
    await mkdir(directory, { mode: 0o700 });
    await buildBootSectorDisk(image, DISK_BYTES, { ballastBytes: DISK_BYTES / 4 });
    await emptyFile(copy, DISK_BYTES);
    const ours = spawn(process.execPath, [FIXTURE, directory, image, copy, String(DISK_BYTES)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [said] = (await once(ours.stdout, 'data')) as [Buffer];
    ours.kill('SIGKILL');
    await once(ours, 'exit');
    using serial = watchSerial(directory);
    await serial.past('W', serial.highest('W') + 20);

    const machine = (await rig.hypervisor.adopt(directory))!;
    rig.track(machine);
    expect(machine.pid).toBe(Number(said.toString()));
    expect(await machine.mirrors()).toMatchObject([{ disk: DISK, nospace: false }]);
    await machine.cancelMirror(DISK);
    await serial.past('W', serial.highest('W') + 20);
    await machine.kill();
    await machine.exited();
    await expectDiskSound(image, serial);
  });

  it('a machine whose record was swept away is not taken for gone, nor started a second time', async () => {
    const vm = await rig.boot('vm');
    vm.machine.disconnect();
    await rm(join(vm.directory, 'machine.json'));
    await expect(rig.hypervisor.adopt(vm.directory)).rejects.toMatchObject({ code: 'HYPERVISOR_UNREACHABLE' });
    const again = rig.hypervisor.launch({
      spec: rig.spec,
      backings: [rawFile(vm.image)],
      acceleration: 'tcg',
      directory: vm.directory,
      mode: 'boot',
    });
    await expect(again).rejects.toMatchObject({ code: 'HYPERVISOR_ALREADY_RUNNING' });
    process.kill(vm.machine.pid, 'SIGKILL');
    await expect.poll(() => rig.hypervisor.adopt(vm.directory)).toBeUndefined();
  });

  it.each([
    ['does not answer', async (pid: number) => process.kill(pid, 'SIGSTOP')],
    ['has no record any more', async (_: number, directory: string) => rm(join(directory, 'machine.json'))],
  ])('a machine that %s can be ended, and is gone then', async (_, happens) => {
    const vm = await rig.boot('vm');
    const { pid } = vm.machine;
    vm.machine.disconnect();
    await happens(pid, vm.directory);
    await rig.hypervisor.end(vm.directory);
    expect(identifyProcess(pid)).toBeUndefined();
    await rig.hypervisor.end(vm.directory);
    await expectDiskSound(vm.image, vm.serial);
  });

  it('a machine that died while nobody looked is gone', async () => {
    const vm = await rig.boot('vm');
    vm.machine.disconnect();
    process.kill(vm.machine.pid, 'SIGKILL');
    await expect.poll(() => rig.hypervisor.adopt(vm.directory)).toBeUndefined();
    await expectDiskSound(vm.image, vm.serial);
  });
});

describe('finding QEMU', () => {
  it('says so when it is not there', async () => {
    const missing = createQemuHypervisor({ binary: '/no/such/qemu', log: silentLogger, clock: systemClock });
    await expect(missing).rejects.toMatchObject({ code: 'HYPERVISOR_NOT_INSTALLED' });
  });

  it.runIf(kvm)('takes KVM only when a guest really runs under it', async () => {
    const rig = await createRig();
    try {
      // The same guest under emulation stands for a host where KVM works, a QEMU that sleeps for one where it hangs.
      const works = join(rig.directory, 'works');
      await writeFile(works, '#!/bin/bash\nexec qemu-system-x86_64 "${@/#kvm/tcg}"\n');
      const hangs = join(rig.directory, 'hangs');
      await writeFile(hangs, '#!/bin/sh\nexec sleep 60\n');
      await Promise.all([chmod(works, 0o755), chmod(hangs, 0o755)]);
      expect(await probeAcceleration({ binary: works })).toMatchObject({ acceleration: 'kvm' });
      expect(await probeAcceleration({ binary: hangs, timeoutMs: 200 })).toMatchObject({ acceleration: 'tcg' });
      expect(await probeAcceleration({ binary: '/no/such/qemu' })).toMatchObject({ acceleration: 'tcg' });
    } finally {
      await rig[Symbol.asyncDispose]();
    }
  });
});
