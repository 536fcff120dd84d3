import type { Disk, Stored, VirtualMachineInstance, VirtualMachineInstanceSpec, Volume } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { storedMigration, storedVm, storedVmi } from '../virt/testing/objects.ts';
import { seenMachine } from '../volume-migration/testing/objects.ts';
import { decidePlugStep, plugNames, wantedPlugs } from './hotplug.ts';
import { startedFrom, startedFromAnnotation, templateChange } from './restart-required.ts';
import type { SeenMachine } from './seen.ts';

const permanent: Volume = { name: 'root', persistentVolumeClaim: { claimName: 'root-old' } };
const rootDisk: Disk = { name: 'root', disk: { bus: 'virtio' } };
const hot = (name: string, claimName = name): Volume => ({
  name,
  persistentVolumeClaim: { claimName, hotpluggable: true },
});
const disk = (name: string, more: Partial<Disk> = {}): Disk => ({ name, disk: { bus: 'scsi' }, ...more });

function specOf(volumes: Volume[], disks: Disk[], devices: object = {}): VirtualMachineInstanceSpec {
  return {
    domain: { memory: { guest: '128Mi' }, devices: { disks: [rootDisk, ...disks], ...devices } },
    volumes: [permanent, ...volumes],
  };
}

interface Wish {
  readonly started: VirtualMachineInstanceSpec;
  readonly wanted: VirtualMachineInstanceSpec;
  /** Absent: as started. */
  readonly running?: VirtualMachineInstanceSpec;
  readonly status?: VirtualMachineInstance['status'];
  readonly strategy?: 'Migration';
  readonly more?: Partial<SeenMachine>;
}

function seen({ started, wanted, running = started, status, strategy, more }: Wish): SeenMachine {
  const vm = storedVm(strategy === undefined ? {} : { updateVolumesStrategy: strategy });
  vm.spec.template.spec = wanted;
  const vmi = storedVmi(
    { phase: 'Running', ...status },
    { annotations: { [startedFromAnnotation]: JSON.stringify(started) } },
  );
  return { ...seenMachine(vm, { ...vmi, spec: structuredClone(running) }, { pvc: () => undefined }), ...more };
}

function step(wish: Wish): { restart: string | undefined; vmi?: Stored<VirtualMachineInstance>; message?: string } {
  const input = seen(wish);
  const plugs = wantedPlugs(input);
  const restart =
    input.vmi &&
    templateChange(input.vm, input.vmi, { liveClaims: wish.strategy === 'Migration', plugs: plugNames(plugs) });
  const plug = decidePlugStep(input, plugs);
  return {
    restart,
    ...(plug.do === 'change' ? { vmi: plug.vmi } : {}),
    ...(plug.do === 'wait' ? { message: plug.message } : {}),
  };
}

const namesOf = (spec: VirtualMachineInstanceSpec | undefined) => spec?.volumes?.map(({ name }) => name);
const none = specOf([], []);
const one = specOf([hot('data')], [disk('data')]);

describe('volumes that a running VM gets and loses', () => {
  it('come with their disks, without a restart, and the record knows', () => {
    const { restart, vmi } = step({ started: none, wanted: one });
    expect(restart).toBeUndefined();
    expect(vmi?.spec).toEqual(one);
    expect(vmi && startedFrom(vmi)).toEqual(one);
    if (vmi) expect(step({ started: one, wanted: one, running: vmi.spec })).toEqual({ restart: undefined });
  });

  it('come on the bus that takes them when none is given, or no disk', () => {
    for (const disks of [[{ name: 'data' }], [{ name: 'data', disk: {} }], []]) {
      const wanted = specOf([hot('data')], disks);
      const { restart, vmi } = step({ started: none, wanted });
      expect(restart).toBeUndefined();
      expect(vmi?.spec.domain.devices.disks).toEqual([rootDisk, disk('data')]);
      // What was filled in is no change.
      const record = vmi && startedFrom(vmi);
      if (record) expect(step({ started: record, wanted })).toEqual({ restart: undefined });
    }
  });

  it('go with their disks, whichever way they came', () => {
    const { restart, vmi } = step({ started: one, wanted: none });
    expect(restart).toBeUndefined();
    expect(vmi?.spec).toEqual(none);
    expect(vmi && startedFrom(vmi)).toEqual(none);
  });

  it('leave those alone that came by addvolume of the guest only', () => {
    const running = specOf([hot('other'), hot('data')], [disk('other'), disk('data')]);
    const { vmi } = step({ started: one, wanted: none, running });
    expect(namesOf(vmi?.spec)).toEqual(['root', 'other']);
  });

  it('that are others from now on go first, and come once they are gone', () => {
    const wanted = specOf([hot('data', 'new')], [disk('data')]);
    const first = step({ started: one, wanted });
    expect(first.restart).toBeUndefined();
    expect(namesOf(first.vmi?.spec)).toEqual(['root']);
    const leaving = { volumeStatus: [{ name: 'data', hotplugVolume: {} }] };
    const second = step({ started: none, wanted, status: leaving });
    expect(second).toEqual({ restart: undefined, message: expect.stringContaining('data') });
    expect(namesOf(step({ started: none, wanted }).vmi?.spec)).toEqual(['root', 'data']);
  });

  it('whose claim changes with strategy Migration are moved, not exchanged', () => {
    const wanted = specOf([hot('data', 'new')], [disk('data')]);
    expect(step({ started: one, wanted, strategy: 'Migration' })).toEqual({ restart: undefined });
    // Arrived, and the record does not say so yet.
    const arrived = step({ started: one, wanted, running: wanted });
    expect(arrived.vmi).toBeUndefined();
  });

  it('come and go with strategy Migration as well [SLM 5.1 #16, 6.5 #11]', () => {
    expect(namesOf(step({ started: none, wanted: one, strategy: 'Migration' }).vmi?.spec)).toEqual(['root', 'data']);
    expect(namesOf(step({ started: one, wanted: none, strategy: 'Migration' }).vmi?.spec)).toEqual(['root']);
  });

  it.each<[string, Partial<Wish>, string]>([
    ['a migration runs', { more: { activeMigrations: [storedMigration('m1')] } }, 'm1'],
    ['one has not ended', { status: { migrationState: { migrationUid: 'm' } } }, 'not ended'],
    ['volumes are moved', { status: { migratedVolumes: [{ volumeName: 'root' }] } }, 'being moved'],
  ])('wait while %s, and say so', (_, changes, text) => {
    for (const wish of [
      { started: none, wanted: one },
      { started: one, wanted: none },
    ])
      expect(step({ ...wish, ...changes })).toEqual({ restart: undefined, message: expect.stringContaining(text) });
  });

  it('wait for a name or a claim that addvolume has given to another', () => {
    for (const [running, text] of [
      [specOf([hot('data', 'x')], [disk('data')]), 'remove that first'],
      [specOf([hot('x', 'data')], [disk('x')]), 'is used by volume x'],
    ] as const)
      expect(step({ started: none, wanted: one, running }).message).toContain(text);
  });

  it.each<[string, Wish]>([
    [
      'permanent',
      {
        started: none,
        wanted: specOf([{ ...hot('data'), persistentVolumeClaim: { claimName: 'data' } }], [disk('data')]),
      },
    ],
    ['on another bus', { started: none, wanted: specOf([hot('data')], [{ name: 'data', disk: { bus: 'virtio' } }]) }],
    ['a CD-ROM', { started: none, wanted: specOf([hot('data')], [{ name: 'data', cdrom: {} }]) }],
    ['new disks of old volumes', { started: none, wanted: specOf([], [disk('root', { serial: 'x' })]) }],
    [
      'those of a guest started without the controller',
      {
        started: specOf([], [], { disableHotplug: true }),
        wanted: specOf([hot('data')], [disk('data')], { disableHotplug: true }),
      },
    ],
    ['any where the rollout strategy is Stage', { started: none, wanted: one, more: { liveUpdate: false } }],
  ])('need a restart when they are %s', (_, wish) => {
    const { restart, vmi } = step(wish);
    expect(restart).toMatch(/volumes|domain\.devices/);
    expect(vmi).toBeUndefined();
  });
});
