export { startInPlace } from './in-place.ts';
export { forgetMigration, recoverMigrations } from './recover.ts';
export { startSource } from './source.ts';
export { startTarget } from './target.ts';
export type * from './types.ts';
