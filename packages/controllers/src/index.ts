export * from './context.ts';
export { startControllers } from './start.ts';
export type { RunningControllers } from './start.ts';
export { defaultStorageClasses, defaultStorageObjects } from './profiles/default-objects.ts';
