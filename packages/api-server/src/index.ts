export * from './plugins.ts';
export * from './api-error.ts';
export * from './create-api-server.ts';
