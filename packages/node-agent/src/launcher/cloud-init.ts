import { mkdtemp, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { resources } from '@godwit/api';
import type { Secret, Stored, VirtualMachineInstance, Volume } from '@godwit/api';
import { GodwitError } from '@godwit/core/errors';
import { publishFile, writeDurably } from '../host/files.ts';
import { findProgram, runProgram } from '../host/programs.ts';
import type { KubeClient } from '@godwit/kube-client';

type NoCloud = NonNullable<Volume['cloudInitNoCloud']>;

/** Files of a NoCloud seed. */
export interface Seed {
  readonly userData: Buffer;
  readonly networkData: Buffer | undefined;
  readonly metaData: string;
}

/** QEMU shows an image whose size is no multiple of the block size read-only when it is the target of a copy. */
const SEED_UNIT = 1 << 20;
const PROGRAMS = ['genisoimage', 'mkisofs', 'xorriso'];

/** The seed from the volume and the Secrets it names. Throws `CLOUD_INIT_INVALID` when a key is missing. */
export function seedOf(
  vmi: Stored<VirtualMachineInstance>,
  source: NoCloud,
  secrets: { readonly user?: Secret | undefined; readonly network?: Secret | undefined },
): Seed {
  const userData = content(source.userData, source.userDataBase64, secrets.user, source.secretRef?.name, 'userdata');
  const networkData = content(
    source.networkData,
    source.networkDataBase64,
    secrets.network,
    source.networkDataSecretRef?.name,
    'networkdata',
  );
  const hostname = vmi.spec.hostname ?? vmi.metadata.name;
  const metaData = {
    'instance-id': `${vmi.metadata.name}.${vmi.metadata.namespace ?? 'default'}`,
    'local-hostname': hostname,
  };
  return { userData: userData ?? Buffer.alloc(0), networkData, metaData: `${JSON.stringify(metaData)}\n` };
}

function content(
  plain: string | undefined,
  base64: string | undefined,
  secret: Secret | undefined,
  secretName: string | undefined,
  key: string,
): Buffer | undefined {
  if (plain !== undefined && plain !== '') return Buffer.from(plain);
  if (base64 !== undefined && base64 !== '') return Buffer.from(base64, 'base64');
  if (secretName === undefined) return undefined;
  // Kubernetes users spell the keys in both ways.
  const spelled = key === 'userdata' ? 'userData' : 'networkData';
  const found = secret?.data?.[key] ?? secret?.data?.[spelled];
  if (found === undefined)
    throw new GodwitError('CLOUD_INIT_INVALID', `Secret "${secretName}" is missing or has no key "${key}"`, {
      retry: 'backoff',
    });
  return Buffer.from(found, 'base64');
}

export async function readSeed(
  client: KubeClient,
  vmi: Stored<VirtualMachineInstance>,
  source: NoCloud,
): Promise<Seed> {
  const get = async (name: string | undefined): Promise<Secret | undefined> =>
    name === undefined ? undefined : client.get<Secret>(resources.secrets, name, vmi.metadata.namespace);
  return seedOf(vmi, source, {
    user: await get(source.secretRef?.name),
    network: await get(source.networkDataSecretRef?.name),
  });
}

/**
 * Writes the seed as an ISO 9660 image labelled `cidata`. Dates are fixed, so the same seed gives the same bytes on
 * every node. Rejects with `PROGRAM_MISSING` when no tool for it is installed.
 */
export async function writeSeedImage(seed: Seed, to: string, searchPath: string): Promise<void> {
  const program = await findProgram(PROGRAMS, searchPath);
  if (!program)
    throw new GodwitError('PROGRAM_MISSING', `cloud-init volumes need one of ${PROGRAMS.join(', ')} to be installed`);
  const work = await mkdtemp(`${to}-`);
  try {
    const files = [join(work, 'user-data'), join(work, 'meta-data')];
    await writeDurably(join(work, 'user-data'), seed.userData);
    await writeDurably(join(work, 'meta-data'), seed.metaData);
    if (seed.networkData !== undefined) {
      await writeDurably(join(work, 'network-config'), seed.networkData);
      files.push(join(work, 'network-config'));
    }
    const image = join(work, 'seed.iso');
    const emulation = program.name === 'xorriso' ? ['-as', 'mkisofs'] : [];
    const dates =
      program.name === 'xorriso'
        ? ['--set_all_file_dates', '2020010100000000', '--modification-date=2020010100000000']
        : [];
    await runProgram(
      program.path,
      [...emulation, '-quiet', ...dates, '-volid', 'cidata', '-joliet', '-rational-rock', '-o', image, ...files],
      { env: { PATH: searchPath, SOURCE_DATE_EPOCH: '1577836800', LC_ALL: 'C' } },
    );
    await truncate(image, Math.ceil((await stat(image)).size / SEED_UNIT) * SEED_UNIT);
    await publishFile(image, to);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
