export * from './convergence.ts';
export type * from './messages.ts';
export * from './progress.ts';
export * from './source-handover.ts';
export * from './step.ts';
export * from './target-handover.ts';
