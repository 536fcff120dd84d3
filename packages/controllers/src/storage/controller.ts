import type { Controller } from '../context.ts';
import { createClaimReconciler } from './claims/reconciler.ts';
import { createDataVolumeReconciler } from './data-volumes/reconciler.ts';
import { createProtectionReconciler } from './protection/reconciler.ts';
import { createVolumeReconciler } from './volumes/reconciler.ts';

/** Claims, volumes, their protection, and DataVolumes. */
export const storage: Controller = {
  name: 'storage',
  setUp(context) {
    const { manager } = context;
    manager.add(createClaimReconciler(context));
    manager.add(createVolumeReconciler(context));
    manager.add(createProtectionReconciler(context));
    manager.add(createDataVolumeReconciler(context));
  },
};
