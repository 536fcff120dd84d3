import { keyOf, names, resources, withCondition } from '@godwit/api';
import type {
  CertificateSigningRequest,
  Condition,
  KubeObject,
  ObjectKey,
  Stored,
  VirtualMachineInstance,
  VirtualMachineInstanceMigration,
} from '@godwit/api';
import { describeError } from '@godwit/core/errors';
import { signMigrationCertificate } from '@godwit/migration-link';
import type { Reconciler } from '@godwit/reconcile';
import type { ControllerContext } from '../context.ts';
import { decideSigning, isDecided } from './decide.ts';
import type { SigningSeen } from './decide.ts';
import { parseMigrationUri, requestedUri } from './identity.ts';

const OPEN = 'open-request';
const MIGRATION_ID = 'migration-id';

/** Signs the certificate requests of signer `godwit.dev/migration` with the cluster's KubeVirt CA. */
export function createSigner(context: ControllerContext): Reconciler {
  const { client, manager, clock, log, options } = context;
  const requests = manager.cache<CertificateSigningRequest>(resources.certificateSigningRequests, {
    indexes: { [OPEN]: (one) => [one.spec.signerName === names.signerName && !isDecided(one) ? 'yes' : 'no'] },
  });
  const migrations = manager.cache<VirtualMachineInstanceMigration>(resources.virtualMachineInstanceMigrations, {
    indexes: {
      [MIGRATION_ID]: ({ metadata, spec }) =>
        [metadata.uid, spec.sendTo?.migrationID, spec.receive?.migrationID].filter((id) => id !== undefined),
    },
  });
  const instances = manager.cache<VirtualMachineInstance>(resources.virtualMachineInstances);

  function observe(request: Stored<CertificateSigningRequest>): SigningSeen {
    const uri = isDecided(request) ? undefined : requestedUri(pemOf(request));
    const asked = uri === undefined ? undefined : parseMigrationUri(uri);
    return {
      request,
      asked,
      migrations: (asked ? migrations.byIndex(MIGRATION_ID, asked.identity.id) : []).map((migration) => ({
        migration,
        instance: instances.get({
          namespace: migration.metadata.namespace ?? '',
          name: migration.spec.vmiName ?? '',
        }),
      })),
    };
  }

  async function decideBy(request: Stored<CertificateSigningRequest>, condition: Condition): Promise<void> {
    const conditions = withCondition(request.status?.conditions ?? [], condition, clock.now()).map(csrCondition);
    const patch = { status: { conditions } };
    await client.patch(
      resources.certificateSigningRequests,
      request.metadata.name,
      '',
      { type: 'merge', patch },
      'approval',
    );
  }

  const openKeys = (): ObjectKey[] => requests.byIndex(OPEN, 'yes').map((one: KubeObject) => keyOf(one));
  return {
    name: 'migration-certificates',
    concurrency: 4,
    watches: [
      { resource: resources.certificateSigningRequests, toKeys: (request) => [keyOf(request)] },
      { resource: resources.virtualMachineInstances, toKeys: openKeys },
      { resource: resources.virtualMachineInstanceMigrations, toKeys: openKeys },
    ],
    async reconcile(key) {
      const request = requests.get(key);
      if (!request) return;
      const plan = decideSigning(observe(request), clock.now());
      switch (plan.do) {
        case 'nothing':
          return;
        case 'wait':
          return { requeueAfterMs: plan.lookAgainMs };
        case 'delete':
          return client.delete(resources.certificateSigningRequests, key.name, '', {
            preconditions: { uid: request.metadata.uid },
          });
        case 'deny':
          log.warn(
            { CertificateSigningRequest: key.name, user: request.spec.username, reason: plan.reason },
            'denying a certificate',
          );
          return decideBy(request, { type: 'Denied', status: 'True', reason: plan.reason, message: plan.message });
        case 'sign': {
          const { identity, role } = plan.asked;
          log.info(
            { CertificateSigningRequest: key.name, migration: identity.id, role },
            'signing a migration certificate',
          );
          let certificate: string;
          try {
            certificate = await signMigrationCertificate(pemOf(request), {
              caCertPem: options.kubevirtCa.certPem,
              caKeyPem: options.kubevirtCa.keyPem,
              identity,
              role,
              nowMs: clock.now(),
            });
          } catch (error) {
            return decideBy(request, {
              type: 'Denied',
              status: 'True',
              reason: 'IdentityInvalid',
              message: describeError(error),
            });
          }
          await decideBy(request, {
            type: 'Approved',
            status: 'True',
            reason: 'NodeEntitled',
            message: `${role} of migration ${identity.id}`,
          });
          const patch = { status: { certificate: Buffer.from(certificate).toString('base64') } };
          await client.patch(resources.certificateSigningRequests, key.name, '', { type: 'merge', patch }, 'status');
        }
      }
    },
  };
}

function pemOf(request: CertificateSigningRequest): string {
  return Buffer.from(request.spec.request, 'base64').toString('utf8');
}

/** Conditions of this kind have `lastUpdateTime` and no `lastProbeTime`. */
function csrCondition({ lastProbeTime: _unused, ...condition }: Condition): object {
  return { ...condition, lastUpdateTime: condition.lastTransitionTime };
}
