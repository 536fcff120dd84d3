export { startSource } from './source.ts';
export { startTarget } from './target.ts';
export type * from './types.ts';
