// Loads what the daemons load and ends: the compile cache is full afterwards.
await Promise.all([
  import('@godwit/api-server'),
  import('@godwit/controllers'),
  import('@godwit/node-agent'),
  import('@godwit/store'),
  import('@godwit/virt-api'),
  import('./process.ts'),
  import('../../cli/src/local/supervisor.ts'),
]);
