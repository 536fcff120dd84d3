import type { Controller } from '../context.ts';
import { createMigrationController } from '../migration/controller.ts';
import { virtualMachineController } from '../virtual-machine/controller.ts';
import { virtualMachineInstanceController } from '../virtual-machine-instance/controller.ts';

/** Controllers of the VM kinds. */
export const virtControllers: readonly Controller[] = [
  virtualMachineController,
  virtualMachineInstanceController,
  createMigrationController(),
];
