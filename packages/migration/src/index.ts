export * from './convergence.ts';
export * from './deadlines.ts';
export * from './disk-trend.ts';
export * from './escalation.ts';
export type * from './messages.ts';
export * from './progress.ts';
export * from './source-handover.ts';
export * from './step.ts';
export * from './target-handover.ts';
