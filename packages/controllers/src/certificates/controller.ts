import type { Controller } from '../context.ts';
import { createSigner } from './signer.ts';
import { createTrustReconciler } from './trust.ts';

/** Migration certificates, and the CAs that this cluster trusts. */
export const certificates: Controller = {
  name: 'certificates',
  setUp(context) {
    context.manager.add(createSigner(context));
    context.manager.add(createTrustReconciler(context));
  },
};
