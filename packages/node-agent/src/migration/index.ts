export { startInPlace } from './in-place/in-place.ts';
export { forgetMigration, recoverMigrations } from './recover.ts';
export { startSource } from './source/source.ts';
export { startTarget } from './target/target.ts';
export type * from './types.ts';
