import { describe, expect, it } from 'vitest';
import { fakeClock } from './testing/fake-clock.ts';
import { createWorkQueue } from './queue.ts';

describe('work queue', () => {
  it('holds a key once', async () => {
    const queue = createWorkQueue(fakeClock());
    queue.add('a');
    queue.add('a');
    queue.add('b');
    expect(await queue.take()).toBe('a');
    expect(await queue.take()).toBe('b');
    expect(queue.length).toBe(0);
  });

  it('never hands out a key that is being worked on, and brings it back afterwards', async () => {
    const queue = createWorkQueue(fakeClock());
    queue.add('a');
    expect(await queue.take()).toBe('a');
    queue.add('a');
    const next = queue.take();
    let handed = false;
    void next.then(() => {
      handed = true;
    });
    await Promise.resolve();
    expect(handed).toBe(false);
    queue.done('a');
    expect(await next).toBe('a');
  });

  it('adds later, and the earlier time wins', async () => {
    const clock = fakeClock();
    const queue = createWorkQueue(clock);
    queue.addAfter('a', 1_000);
    queue.addAfter('a', 200);
    queue.addAfter('a', 5_000);
    clock.advance(199);
    expect(queue.length).toBe(0);
    clock.advance(1);
    expect(await queue.take()).toBe('a');
    queue.done('a');
    clock.advance(10_000);
    expect(queue.length).toBe(0);
  });

  it('backs off from 5 ms to 30 s, until the key is forgotten', () => {
    const queue = createWorkQueue(fakeClock());
    const delays = Array.from({ length: 15 }, () => queue.addFailed('a'));
    expect(delays.slice(0, 4)).toEqual([5, 10, 20, 40]);
    expect(delays.at(-1)).toBe(30_000);
    queue.forget('a');
    expect(queue.addFailed('a')).toBe(5);
  });

  it('ends waiting takes when it is shut down', async () => {
    const queue = createWorkQueue(fakeClock());
    const taken = queue.take();
    queue.shutDown();
    expect(await taken).toBeUndefined();
    queue.add('a');
    expect(await queue.take()).toBeUndefined();
  });
});
