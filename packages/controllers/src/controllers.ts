import type { Controller } from './context.ts';
import { virtControllers } from './virt/controllers.ts';

/** Every controller of a cluster, in the order they are set up. */
export const controllers: readonly Controller[] = [...virtControllers];
