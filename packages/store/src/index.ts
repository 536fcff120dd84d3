export * from './types.ts';
export * from './errors.ts';
export * from './open.ts';
export { parseJson, stringifyJson } from './lossless-json.ts';
