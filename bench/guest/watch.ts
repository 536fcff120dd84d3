import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { once } from 'node:events';
import { waitFor } from '@godwit/core/wait';
import { HeartbeatLog } from '@godwit/guest';
import type { OracleSummary } from '@godwit/guest';
import { parseReport } from '../../packages/guest/src/report.ts';

/** Hears one guest and knows when it was silent and when its writes stood still. Times are `performance.now()`. */
export class GuestWatch implements AsyncDisposable {
  readonly runId: string;
  #log = new HeartbeatLog();
  #progress: { readonly atMs: number; readonly acknowledged: number }[] = [];
  readonly #socket: Socket;

  private constructor(runId: string, socket: Socket) {
    this.runId = runId;
    this.#socket = socket;
    socket.on('message', (message) => {
      const atMs = performance.now();
      const report = parseReport(message.toString('latin1'));
      if (report?.runId !== runId) return;
      this.#log.add(report, atMs);
      if (report.acknowledged !== this.#progress.at(-1)?.acknowledged)
        this.#progress.push({ atMs, acknowledged: report.acknowledged });
    });
  }

  static async start(runId: string): Promise<GuestWatch> {
    const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
    const listening = once(socket, 'listening');
    socket.bind(0, '127.0.0.1');
    await listening;
    return new GuestWatch(runId, socket);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** Another guest will be heard from now on. */
  forget(): void {
    this.#log = new HeartbeatLog();
    this.#progress = [];
  }

  summary(): OracleSummary {
    return this.#log.summary();
  }

  /** Resolves after so many more heartbeats and acknowledged writes. */
  async hears(more: { readonly beats: number; readonly writes: number }, timeoutMs: number): Promise<void> {
    const before = this.summary();
    await waitFor(
      () => {
        const now = this.summary();
        return (
          now.heartbeats >= before.heartbeats + more.beats && now.acknowledged >= before.acknowledged + more.writes
        );
      },
      { timeoutMs, what: `${more.beats} heartbeats and ${more.writes} writes of the guest` },
    );
  }

  gapMs(fromMs: number, toMs: number): number | undefined {
    return this.#log.longestGap(fromMs, toMs)?.lengthMs;
  }

  /** The longest stretch in the window without a further acknowledged write. */
  writeGapMs(fromMs: number, toMs: number): number {
    const times = [fromMs, ...this.#progress.map((one) => one.atMs).filter((at) => at > fromMs && at < toMs), toMs];
    return Math.max(...times.slice(1).map((at, index) => at - (times[index] ?? at)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#socket, 'close');
    this.#socket.close();
    await closed;
  }
}
