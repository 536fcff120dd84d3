export { builtInSchema } from './builtin/kinds.ts';
export { objectMetaSchema } from './builtin/object-meta.ts';
export { pruneAndDefault } from './prune.ts';
export { checkStructural } from './structural.ts';
export type { Cause, CauseReason, JsonSchema } from './types.ts';
export { validateSchema } from './validate.ts';
