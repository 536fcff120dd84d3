import type { Controller } from '../context.ts';
import { evacuationController } from '../evacuation/controller.ts';
import { kubeVirtController } from '../kubevirt/controller.ts';
import { createMigrationController } from '../migration/controller.ts';
import { synchronizationController } from '../synchronization/controller.ts';
import { virtualMachineController } from '../virtual-machine/controller.ts';
import { virtualMachineInstanceController } from '../virtual-machine-instance/controller.ts';
import { workloadUpdateController } from '../workload-update/controller.ts';

/** Controllers of the VM kinds. */
export const virtControllers: readonly Controller[] = [
  virtualMachineController,
  virtualMachineInstanceController,
  createMigrationController(),
  workloadUpdateController,
  evacuationController,
  synchronizationController,
  kubeVirtController,
];
