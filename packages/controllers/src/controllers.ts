import type { Controller } from './context.ts';

/** Every controller of a cluster, in the order they are set up. */
export const controllers: readonly Controller[] = [];
