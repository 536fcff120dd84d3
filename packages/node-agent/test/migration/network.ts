import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { MigrationPorts } from '../../src/migration/index.ts';

export type Channel = keyof MigrationPorts;
export const CHANNELS: readonly Channel[] = ['control', 'memory', 'block'];

/**
 * `cut`: connections are reset, and new ones refused. `hang`: nothing arrives any more in either direction, and nobody is told.
 * `half-open`: the target's end is closed, the source is not told. `slow`: a piece now and then.
 */
export type Weather = 'fair' | 'cut' | 'hang' | 'half-open' | 'slow';

/** What lies between two nodes; the source connects to `ports`. */
export interface Network extends AsyncDisposable {
  readonly ports: MigrationPorts;
  /** From now on, for the connections there are and those to come; all channels unless some are named. */
  becomes(weather: Weather, ...channels: readonly Channel[]): void;
}

interface Link {
  /** The source's end. */
  readonly near: Socket;
  readonly far: Socket;
}

const SLOW_MS = 20;

export async function createNetwork(target: MigrationPorts): Promise<Network> {
  const weather: Record<Channel, Weather> = { control: 'fair', memory: 'fair', block: 'fair' };
  const links: Record<Channel, Set<Link>> = { control: new Set(), memory: new Set(), block: new Set() };
  const servers: Server[] = [];

  function carry(from: Socket, to: Socket, channel: Channel): void {
    from.on('data', (piece: Buffer) => {
      const isFair = weather[channel] === 'fair';
      if (to.write(piece) && isFair) return;
      from.pause();
      const goOn = () => apply(channel, from);
      if (isFair) to.once('drain', goOn);
      else setTimeout(goOn, SLOW_MS).unref();
    });
    from.once('end', () => to.end());
  }

  /** Lets a socket be read from, or not. */
  function apply(channel: Channel, socket: Socket): void {
    if (weather[channel] === 'hang' || weather[channel] === 'half-open') socket.pause();
    else socket.resume();
  }

  function join(near: Socket, channel: Channel): void {
    if (weather[channel] === 'cut') {
      near.resetAndDestroy();
      return;
    }
    const far = connect({ port: target[channel], host: '127.0.0.1', allowHalfOpen: true });
    const link = { near, far };
    links[channel].add(link);
    for (const socket of [near, far]) {
      socket.setNoDelay(true);
      socket.on('error', () => undefined); // `close` follows
    }
    carry(near, far, channel);
    carry(far, near, channel);
    near.once('close', () => far.destroy());
    far.once('close', () => {
      if (weather[channel] === 'half-open') return;
      near.destroy();
      links[channel].delete(link);
    });
    for (const socket of [near, far]) apply(channel, socket);
  }

  async function listen(channel: Channel): Promise<number> {
    const server = createServer({ allowHalfOpen: true }, (near) => join(near, channel));
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    // The cast is safe: a server that listens on TCP has an AddressInfo.
    return (server.address() as AddressInfo).port;
  }

  return {
    ports: { control: await listen('control'), memory: await listen('memory'), block: await listen('block') },
    becomes(next, ...channels) {
      for (const channel of channels.length > 0 ? channels : CHANNELS) {
        weather[channel] = next;
        for (const { near, far } of links[channel]) {
          if (next === 'cut') for (const socket of [near, far]) socket.resetAndDestroy();
          if (next === 'half-open') far.destroy();
          for (const socket of [near, far]) apply(channel, socket);
        }
      }
    },
    async [Symbol.asyncDispose]() {
      for (const channel of CHANNELS)
        for (const { near, far } of links[channel]) [near, far].forEach((one) => one.destroy());
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    },
  };
}
