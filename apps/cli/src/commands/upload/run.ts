import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { resources } from '@godwit/api';
import type { CdiConfig } from '@godwit/api';
import { GodwitError } from '@godwit/core/errors';
import { INTERRUPTED, watchInterruption } from '../../interruption.ts';
import { layoutOf } from '../../local/layout.ts';
import { localClient } from '../../local/lifecycle.ts';
import { pickCluster, readState } from '../../local/state.ts';
import { mebibytes, printError } from '../../output.ts';
import { LiveLine } from '../demo/live-line.ts';
import type { UploadOptions } from './command.ts';
import { deliver } from './deliver.ts';
import { inspectImageFile } from './image-file.ts';
import type { ImageFile } from './image-file.ts';
import { untilReady, untilSucceeded } from './ready.ts';
import { planTarget } from './target.ts';
import { claimOf, dataVolumeOf, failed, nameOf } from './work.ts';
import type { Work } from './work.ts';

/** Fills a DataVolume with a local image. Resolves with the exit status: 0 once it is filled, 130 when interrupted. */
export async function runUpload(name: string, options: UploadOptions): Promise<number> {
  const image = await inspectImageFile(options.image);
  const layout = layoutOf(options.dir);
  const cluster = pickCluster(layout, await readState(layout), options.cluster);
  using interrupted = watchInterruption();
  const { signal } = interrupted;
  const client = await localClient(layout, cluster);
  const line = new LiveLine(process.stdout, { now: Date.now });
  const work: Work = { namespace: options.namespace, name, client, line, signal };
  try {
    await prepareTarget(work, options, image);
    await untilReady(work, options.wait);
    const url = await proxyUrl(work);
    const startedMs = Date.now();
    await deliver(work, image, {
      url,
      caPem: await readFile(join(layout.cluster(cluster.name).pki, 'ca.crt'), 'utf8'),
    });
    await untilSucceeded(work);
    const seconds = ((Date.now() - startedMs) / 1000).toFixed(1);
    line.print(`${nameOf(work)} holds ${image.path} (${mebibytes(image.lengthBytes)} in ${seconds} s)`);
    return 0;
  } catch (error) {
    if (!signal.aborted) throw error;
    printError(`Interrupted. ${nameOf(work)} is not filled; the same command sends the image again.`);
    return INTERRUPTED;
  } finally {
    client.close();
  }
}

async function prepareTarget(work: Work, options: UploadOptions, image: ImageFile): Promise<void> {
  const { client, name, line } = work;
  const plan = planTarget(name, options, image, { dataVolume: await dataVolumeOf(work), claim: await claimOf(work) });
  switch (plan.do) {
    case 'create': {
      await checkClass(work, options.storageClass);
      const { spec } = await client.create(resources.dataVolumes, plan.dataVolume);
      return line.print(`DataVolume ${nameOf(work)} of ${spec.storage?.resources?.requests?.storage ?? '?'} is made`);
    }
    case 'use':
      return line.print(`Using ${nameOf(work)}, which waits for an upload`);
  }
}

/** Before anything is made. Rejects with `UPLOAD_CLASS_UNKNOWN`, which names those there are. */
async function checkClass({ client }: Work, name: string | undefined): Promise<void> {
  if (name === undefined) return;
  const { items } = await client.list(resources.storageClasses);
  const known = items.map((one) => one.metadata.name);
  if (!known.includes(name))
    throw new GodwitError(
      'UPLOAD_CLASS_UNKNOWN',
      `There is no storage class "${name}"; there are: ${known.join(', ')}`,
    );
}

async function proxyUrl(work: Work): Promise<string> {
  const config = await work.client.get<CdiConfig>(resources.cdiConfigs, 'config');
  const url = config?.spec?.uploadProxyURLOverride ?? config?.status?.uploadProxyURL;
  if (url === undefined) throw failed(work, 'the cluster names no upload proxy; end it and start it again');
  return url;
}
