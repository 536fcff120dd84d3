import { rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';

/*
 * The little that a sending QEMU wants to hear when it goes on after a broken post-copy. It asks, block by block, what has
 * arrived, then whether it may go on; everything after that are pages. (QEMU, docs/devel/migration: "postcopy recovery".)
 */
const COMMAND = 0x08;
const COMMAND_HEAD_BYTES = 5;
const ASKS_FOR_BITMAP = 10;
const ASKS_TO_GO_ON = 9;
const SAYS_BITMAP = 5;
const SAYS_GO_ON = 6;
const BITMAP_END = 0x0123456789abcdefn;
const PAGE_BYTES = 4096;

/** Sizes in bytes of the blocks of a machine's memory, from what `info ramblock` prints. */
export function ramBlockSizes(text: string): ReadonlyMap<string, number> {
  const sizes = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [, name, used] = /^\s*(\S+)\s+\S+ \S+\s+0x[0-9a-f]+\s+(0x[0-9a-f]+)/i.exec(line) ?? [];
    if (name !== undefined && used !== undefined) sizes.set(name, Number(used));
  }
  return sizes;
}

/**
 * What a sink answers to the commands at the beginning of `received`, and how much of that they took; `begun`: pages follow.
 * Nothing has arrived, says the sink, so that QEMU does not come to an end. Throws when it does not understand.
 */
export function answerCommands(
  received: Buffer,
  sizes: ReadonlyMap<string, number>,
): { readonly answer: Buffer; readonly taken: number; readonly begun: boolean } {
  const answers: Buffer[] = [];
  let at = 0;
  while (received.length >= at + COMMAND_HEAD_BYTES) {
    const command = received.readUInt16BE(at + 1);
    const end = at + COMMAND_HEAD_BYTES + received.readUInt16BE(at + 3);
    if (received[at] !== COMMAND || (command !== ASKS_FOR_BITMAP && command !== ASKS_TO_GO_ON))
      throw new Error(`QEMU goes on with what is not understood: ${received.subarray(at, at + 8).toString('hex')}`);
    if (received.length < end) break;
    if (command === ASKS_TO_GO_ON) {
      answers.push(says(SAYS_GO_ON, Buffer.from([0, 0, 0, 1])));
      return { answer: Buffer.concat(answers), taken: end, begun: true };
    }
    // One byte of length, then the name.
    const name = received.subarray(at + COMMAND_HEAD_BYTES, end);
    answers.push(says(SAYS_BITMAP, name), emptyBitmap(sizes, name.subarray(1).toString()));
    at = end;
  }
  return { answer: Buffer.concat(answers), taken: at, begun: false };
}

function says(kind: number, content: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16BE(kind);
  head.writeUInt16BE(content.length, 2);
  return Buffer.concat([head, content]);
}

function emptyBitmap(sizes: ReadonlyMap<string, number>, name: string): Buffer {
  const size = sizes.get(name);
  if (size === undefined) throw new Error(`QEMU asks for the memory block "${name}", which it does not have`);
  const bytes = Math.ceil(Math.floor(size / PAGE_BYTES) / 64) * 8;
  const bitmap = Buffer.alloc(bytes + 16);
  bitmap.writeBigUInt64BE(BigInt(bytes));
  bitmap.writeBigUInt64BE(BITMAP_END, bytes + 8);
  return bitmap;
}

export interface MemorySink extends AsyncDisposable {
  /** Rejects when QEMU says something unheard of, which leaves it where it is, and when a connection of QEMU's ends. */
  readonly failed: Promise<never>;
}

/**
 * Listens in the place of a target that is gone. A QEMU whose post-copy broke takes its guest back only from a migration that
 * goes on: here it goes on to, and is cancelled. What it sends is thrown away; it has all of the guest.
 */
export async function openMemorySink(path: string, sizes: ReadonlyMap<string, number>): Promise<MemorySink> {
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => undefined); // whoever waits hears of it
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let received: Buffer = Buffer.alloc(0);
    let begun = false;
    socket.on('error', failed.reject);
    socket.once('close', () => failed.reject(new Error('QEMU has ended the connection')));
    socket.on('data', (chunk) => {
      if (begun) return;
      try {
        const said = answerCommands(Buffer.concat([received, chunk]), sizes);
        received = Buffer.concat([received, chunk]).subarray(said.taken);
        ({ begun } = said);
        socket.write(said.answer);
      } catch (error) {
        failed.reject(error);
      }
    });
  });
  await rm(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  return {
    failed: failed.promise,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
