export * from './plugins.ts';
export * from './api-error.ts';
