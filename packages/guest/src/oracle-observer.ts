import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { once } from 'node:events';
import { waitFor } from '@godwit/core/wait';
import { HeartbeatLog } from './heartbeat-log.ts';
import { parseReport } from './report.ts';

/**
 * Listens to the guest on 127.0.0.1 and stamps every datagram with this process's monotonic clock (`performance.now`, ms). The
 * process must stay responsive: time that it spends elsewhere shows as silence of the guest.
 */
export class OracleObserver implements AsyncDisposable {
  readonly runId: string;
  readonly log: HeartbeatLog = new HeartbeatLog();
  readonly #socket: Socket;

  private constructor(runId: string, socket: Socket) {
    this.runId = runId;
    this.#socket = socket;
    socket.on('message', (message) => {
      const report = parseReport(message.toString('latin1'));
      if (report?.runId === runId) this.log.add(report, performance.now());
    });
  }

  /** Binds a port of the kernel's choice unless one is given. */
  static async start(options: { readonly runId: string; readonly port?: number }): Promise<OracleObserver> {
    const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
    const listening = once(socket, 'listening');
    socket.bind(options.port ?? 0, '127.0.0.1');
    await listening;
    return new OracleObserver(options.runId, socket);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  get acknowledged(): number {
    return this.log.summary().acknowledged;
  }

  /** Milliseconds on the clock that `log` uses. */
  now(): number {
    return performance.now();
  }

  /** Resolves once that many more writes than now are acknowledged; rejects with `WAIT_TIMEOUT`. */
  async waitForWrites(more: number, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const wanted = this.acknowledged + more;
    await waitFor(() => this.acknowledged >= wanted, {
      timeoutMs,
      what: `the guest to acknowledge write ${wanted}`,
      ...(signal && { signal }),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#socket, 'close');
    this.#socket.close();
    await closed;
  }
}
