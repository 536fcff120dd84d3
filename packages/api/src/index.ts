export * from './meta.ts';
export * from './resources.ts';
export * from './conditions.ts';
export * from './core-kinds.ts';
export * from './kubevirt-kinds.ts';
export * from './cdi-kinds.ts';
export * from './names.ts';
export * from './crds.ts';
