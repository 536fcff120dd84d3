import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { diskOfMirrorJob, mirrorFilterNode, mirrorJobId, parseNodeName, rootNode } from './disk-nodes.ts';

describe('block node names', () => {
  it('read back as what they were made from and fit into 31 characters', () => {
    fc.assert(
      fc.property(fc.nat(99), fc.nat(99_999), (index, generation) => {
        expect(parseNodeName(rootNode(index, generation))).toEqual({ index, generation, part: 'root' });
        const filter = mirrorFilterNode(index, generation);
        expect(parseNodeName(filter)).toEqual({ index, generation, part: 'mirror' });
        expect(filter.length).toBeLessThanOrEqual(31);
      }),
    );
  });

  it.each(['#block123', 'disk1', 'disk-1-2', 'disk1-2-x', ''])('leave %j to others', (name) => {
    expect(parseNodeName(name)).toBeUndefined();
  });

  it('carry the disk in the job id', () => {
    expect(diskOfMirrorJob(mirrorJobId('1-data'))).toBe('1-data');
    expect(diskOfMirrorJob('commit-1')).toBeUndefined();
  });
});
