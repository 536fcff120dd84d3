export { createMemoryKube } from './memory.ts';
export type { MemoryCall, MemoryKube, MemoryKubeOptions } from './memory.ts';
