/** Work that must not overlap: per key one after the other, in the order in which it was asked for. */
export interface Turns {
  /** With `signal`: one that is aborted while it waits rejects at once, with the reason, and its work is never done. */
  take<T>(key: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** Somebody has, or waits for, a turn. */
  isTaken(key: string): boolean;
}

export function createTurns(): Turns {
  const last = new Map<string, Promise<unknown>>();
  return {
    async take<T>(key: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
      const before = last.get(key);
      let begun = false;
      const mine = (async () => {
        // However that ended.
        await before?.catch(() => undefined);
        signal?.throwIfAborted();
        begun = true;
        return work();
      })();
      last.set(key, mine);
      const over = (): void => void (last.get(key) === mine && last.delete(key));
      void mine.then(over, over);
      return new Promise<T>((resolve, reject) => {
        mine.then(resolve, reject);
        const giveUp = (): void => void (!begun && reject(signal?.reason));
        if (signal?.aborted) giveUp();
        else signal?.addEventListener('abort', giveUp, { once: true });
      });
    },
    isTaken: (key) => last.has(key),
  };
}
