import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { GodwitError } from '@godwit/core/errors';
import { layoutOf } from '../../local/layout.ts';
import { pickCluster, readState } from '../../local/state.ts';
import { printError } from '../../output.ts';

const ESCAPE = 0x1d;

/** Joins this terminal with the guest's serial port until the guest's side closes or Ctrl-] is typed. */
export async function runConsole(
  vm: string,
  options: { namespace: string; cluster?: string; dir: string },
): Promise<void> {
  const layout = layoutOf(options.dir);
  const cluster = pickCluster(layout, await readState(layout), options.cluster);
  const { pki } = layout.cluster(cluster.name);
  const [ca, cert, key] = await Promise.all(
    ['ca.crt', 'admin.crt', 'admin.key'].map(async (file) => await readFile(join(pki, file), 'utf8')),
  );
  const path = `/apis/subresources.kubevirt.io/v1/namespaces/${encodeURIComponent(options.namespace)}/virtualmachineinstances/${encodeURIComponent(vm)}/console`;
  const socket = new WebSocket(`wss://127.0.0.1:${cluster.apiPort}${path}`, ['plain.kubevirt.io'], { ca, cert, key });
  const input = process.stdin;
  await new Promise<void>((resolve, reject) => {
    socket.on('unexpected-response', (_, response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => (body += chunk.toString()));
      response.on('end', () =>
        reject(
          new GodwitError(
            'CONSOLE_REFUSED',
            `The console of ${options.namespace}/${vm} cannot be opened: ${messageOf(body)}`,
          ),
        ),
      );
    });
    socket.on('error', (cause) =>
      reject(new GodwitError('CONSOLE_FAILED', `The console of ${options.namespace}/${vm} failed`, { cause })),
    );
    socket.on('message', (data: Buffer) => process.stdout.write(data));
    socket.on('close', () => resolve());
    socket.on('open', () => {
      if (input.isTTY) input.setRawMode(true);
      printError(`Connected to ${options.namespace}/${vm}. Leave with Ctrl-].\r`);
      input.on('data', (data: Buffer) => {
        if (data.includes(ESCAPE)) socket.close();
        else socket.send(data);
      });
      // What was typed is delivered before the connection closes.
      input.on('end', () => socket.close());
    });
  }).finally(() => {
    if (input.isTTY) input.setRawMode(false);
    input.pause();
  });
}

function messageOf(body: string): string {
  try {
    return (JSON.parse(body) as { message?: string }).message ?? body;
  } catch {
    return body;
  }
}
