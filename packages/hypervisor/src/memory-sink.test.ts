import { describe, expect, it } from 'vitest';
import { answerCommands, ramBlockSizes } from './memory-sink.ts';

const BLOCKS = `              Block Name    PSize              Offset               Used              Total
                  pc.ram    4 KiB  0x0000000000000000 0x0000000004000000 0x0000000004000000
   /rom@etc/table-loader    4 KiB  0x0000000004280000 0x0000000000001000 0x0000000000010000
`;
const sizes = ramBlockSizes(BLOCKS);

/** As QEMU sends it. */
function command(kind: number, content = ''): Buffer {
  const name = content === '' ? Buffer.alloc(0) : Buffer.concat([Buffer.from([content.length]), Buffer.from(content)]);
  return Buffer.concat([Buffer.from([0x08, 0, kind, 0, name.length]), name]);
}

describe('a sink for the rest of a broken post-copy', () => {
  it('knows the blocks of a memory', () => {
    expect([...sizes]).toEqual([
      ['pc.ram', 64 * 2 ** 20],
      ['/rom@etc/table-loader', 4096],
    ]);
  });

  it('says of each block that nothing has arrived, in whole words', () => {
    const { answer, taken, begun } = answerCommands(command(10, '/rom@etc/table-loader'), sizes);
    expect({ taken, begun }).toEqual({ taken: 27, begun: false });
    const body = '\u0015/rom@etc/table-loader';
    expect(answer.subarray(0, 4)).toEqual(Buffer.from([0, 5, 0, body.length]));
    expect(answer.subarray(4, 4 + body.length).toString()).toBe(body);
    expect(answer.subarray(4 + body.length).toString('hex')).toBe(`0000000000000008${'00'.repeat(8)}0123456789abcdef`);
    const whole = answerCommands(command(10, 'pc.ram'), sizes).answer;
    expect(whole.length).toBe(4 + 7 + 8 + (64 * 2 ** 20) / 4096 / 8 + 8);
  });

  it('lets QEMU go on, and leaves what follows alone', () => {
    const said = answerCommands(Buffer.concat([command(9), Buffer.from('pages')]), sizes);
    expect(said).toEqual({ answer: Buffer.from([0, 6, 0, 4, 0, 0, 0, 1]), taken: 5, begun: true });
  });

  it('waits for what has not come yet', () => {
    const half = command(10, 'pc.ram').subarray(0, 8);
    expect(answerCommands(half, sizes)).toEqual({ answer: Buffer.alloc(0), taken: 0, begun: false });
    expect(answerCommands(Buffer.alloc(3), sizes).taken).toBe(0);
  });

  it.each([
    ['another command', command(2)],
    ['pages', Buffer.from('0102030405', 'hex')],
    ['an unknown block', command(10, 'vga')],
  ])('does not answer %s', (_what, received) => {
    expect(() => answerCommands(received, sizes)).toThrow(/QEMU/);
  });
});
