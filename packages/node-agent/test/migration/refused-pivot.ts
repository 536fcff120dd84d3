import type { Machine } from '@godwit/hypervisor';

/**
 * A machine whose QEMU refuses every pivot: the disk that was held is on its old volume again, and takes the guest's requests.
 * `then` is done before anybody hears of it.
 */
export function refusePivots(machine: Machine, then: () => void | Promise<void> = () => undefined): Machine {
  return {
    ...machine,
    async commitPivot(disk) {
      await machine.cancelMirror(disk);
      await then();
      throw new Error(`QEMU refuses to pivot disk ${disk}`);
    },
  };
}
