import { tmpdir } from 'node:os';
import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import type { FillOptions } from './convert.ts';
import type { Populator } from './reconciler.ts';
import { receiveUpload } from './upload.ts';

it('a sender that falls silent does not keep the claim from another one', async () => {
  const fill: FillOptions = {
    location: { mode: 'Filesystem', pool: 'node', poolPath: '/none', path: '/none/v', image: '/none/v/disk.img' },
    sizeBytes: 1 << 20,
    signal: new AbortController().signal,
    onPercent: () => undefined,
  };
  // The cast is safe: uploads use this one method.
  const populator = { upload: async (_, work) => work(fill) } as Pick<Populator, 'upload'> as Populator;
  const body = new PassThrough();
  body.write('the beginning');
  const key = { namespace: 'default', name: `silent-${process.pid}` };
  const upload = { body, background: false, idleMs: 50 };
  await expect(receiveUpload(populator, tmpdir(), key, upload)).rejects.toMatchObject({
    code: 'UPLOAD_INCOMPLETE',
    message: expect.stringContaining('after 13 bytes'),
  });
});
