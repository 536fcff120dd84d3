import type { JsonSchema } from '../types.ts';
import { messageSchema } from './schemas.ts';

/** Schema of `metadata`, the same for built-in and custom kinds. */
// The message tables hold ObjectMeta; a test reads it.
export const objectMetaSchema: JsonSchema = messageSchema('meta.ObjectMeta')!;
