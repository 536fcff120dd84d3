import { certificates } from './certificates/controller.ts';
import type { Controller } from './context.ts';
import { createMetricsController } from './metrics/controller.ts';
import { nodes } from './nodes/controller.ts';
import { bootstrap } from './profiles/bootstrap.ts';
import { storageProfiles } from './profiles/controller.ts';
import { quotas } from './quota/controller.ts';
import { scheduling } from './scheduling/controller.ts';
import { storage } from './storage/controller.ts';
import { virtControllers } from './virt/controllers.ts';

/** Every controller of a cluster, in the order they are set up. */
export const controllers: readonly Controller[] = [
  bootstrap,
  storage,
  storageProfiles,
  scheduling,
  nodes,
  certificates,
  quotas,
  ...virtControllers,
  createMetricsController(),
];
