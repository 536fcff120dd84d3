export * from './types.ts';
export { createManager } from './manager.ts';
export type { Manager, ManagerOptions } from './manager.ts';
export type { LeaderElection } from './leader.ts';
export { createEventRecorder } from './events.ts';
export type { EventRecorder, EventRecorderOptions } from './events.ts';
export { createWorkQueue } from './queue.ts';
export type { WorkQueue } from './queue.ts';
