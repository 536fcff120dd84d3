import { describe, expect, it } from 'vitest';
import { probeProcessor } from '../src/index.ts';

describe('what QEMU says about the processor of its guests', () => {
  it('names the models that run whole, and the machine types it knows', async () => {
    const { cpuModels, machineTypes } = await probeProcessor({ acceleration: 'tcg' });
    expect(cpuModels).toEqual(expect.arrayContaining(['max', 'qemu64']));
    // Emulation has no AVX-512, so guests would not get all that this model promises.
    expect(cpuModels).not.toContain('Icelake-Server');
    expect(machineTypes).toEqual(expect.arrayContaining(['pc-q35-6.0', 'pc-i440fx-6.0']));
    expect(machineTypes).not.toContain('q35');
  });

  it('rejects where there is no QEMU to ask', async () => {
    await expect(probeProcessor({ acceleration: 'tcg', binary: '/no/such/qemu' })).rejects.toThrow('ENOENT');
    await expect(probeProcessor({ acceleration: 'tcg', binary: '/bin/false' })).rejects.toThrow('status 1');
  });
});
