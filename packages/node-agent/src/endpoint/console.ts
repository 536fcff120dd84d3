import type { WebSocket } from 'ws';
import type { ConsoleHub } from '../launcher/console-hub.ts';

/** Beyond this a client that does not read is dropped; the guest must not wait for it. */
const MAX_UNSENT_BYTES = 4 * 2 ** 20;
const GOING_AWAY = 1001;
const TOO_SLOW = 1008;

/** Joins a WebSocket with a machine's console until either ends. Raw bytes in binary frames both ways. */
export function bridgeConsole(socket: WebSocket, hub: ConsoleHub): void {
  const leave = hub.attach({
    write(bytes) {
      if (socket.bufferedAmount > MAX_UNSENT_BYTES) return socket.close(TOO_SLOW, 'the client reads too slowly');
      socket.send(bytes, { binary: true });
    },
    close: (reason) => socket.close(GOING_AWAY, reason),
  });
  socket.on('message', (data) => {
    const bytes = Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data as ArrayBuffer);
    hub.input(bytes);
  });
  socket.on('close', leave);
  socket.on('error', () => socket.terminate());
}
