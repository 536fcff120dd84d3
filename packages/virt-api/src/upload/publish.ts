import type { ApiServer, UserInfo } from '@godwit/api-server';
import { resources } from '@godwit/api';
import type { CdiConfig } from '@godwit/api';

/** The name under which clients look for it. */
const NAME = 'config';
const SELF: UserInfo = { username: 'system:apiserver', groups: ['system:masters'] };

/** Tells clients, through CDIConfig `config`, that uploads go to this server. Idempotent. */
export async function publishUploadProxy(
  { reader, writer, url }: Pick<ApiServer, 'reader' | 'writer' | 'url'>,
  caPem: string,
): Promise<void> {
  const { group, version, kind } = resources.cdiConfigs;
  if (!reader.get(resources.cdiConfigs, NAME)) {
    const config = { apiVersion: `${group}/${version}`, kind, metadata: { name: NAME }, spec: {} };
    await writer.create(resources.cdiConfigs, config, SELF);
  }
  const mutate = (object: CdiConfig): void => {
    object.status = { ...object.status, uploadProxyURL: url, uploadProxyCA: caPem };
  };
  await writer.modify(resources.cdiConfigs, NAME, '', mutate, SELF, 'status');
}
