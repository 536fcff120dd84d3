export type { QmpClient, QmpEvent } from './client.ts';
export { connectQmp, type ConnectOptions } from './connect.ts';
export type * from './commands.ts';
export type { CommandFailure, QmpErrorCode } from './errors.ts';
export { createLineSplitter } from './line-splitter.ts';
