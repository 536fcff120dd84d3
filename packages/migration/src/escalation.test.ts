import { describe, expect, it } from 'vitest';
import { convergencePolicy } from './convergence.ts';
import { diskFailure, memoryFailure, nextDiskMeasure, nextMemoryMeasure, type DiskSituation } from './escalation.ts';

describe('disks that do not converge', () => {
  const plain = { diverges: false, lags: false, hasTime: true, canLimitWrites: false } as const;
  const lost = { ...plain, diverges: true } as const;

  it.each<[string, DiskSituation['judgement'], DiskSituation['mode'], Omit<DiskSituation, 'judgement' | 'mode'>]>([
    ['wait', 'on', 'background', plain],
    ['synchronise', 'on', 'background', lost],
    ['synchronise', 'stuck', 'background', plain],
    ['fail', 'late', 'background', lost],
    ['wait', 'on', 'synchronous', lost],
    ['fail', 'stuck', 'synchronous', lost],
    ['fail', 'late', 'synchronous', plain],
    // Policy allows to limit what the guest writes.
    ['wait', 'on', 'synchronous', { ...plain, canLimitWrites: true }],
    ['synchronise', 'on', 'background', { ...lost, canLimitWrites: true }],
    ['synchronise', 'stuck', 'background', { ...plain, canLimitWrites: true }],
    ['limit-writes', 'on', 'background', { ...lost, canLimitWrites: true, hasTime: false }],
    ['synchronise', 'on', 'background', { ...lost, hasTime: false }],
    ['limit-writes', 'on', 'background', { ...plain, lags: true, canLimitWrites: true }],
    ['limit-writes', 'on', 'synchronous', { ...plain, lags: true, canLimitWrites: true }],
    ['wait', 'on', 'synchronous', { ...plain, lags: true }],
    ['limit-writes', 'stuck', 'synchronous', { ...plain, canLimitWrites: true }],
    ['limit-writes', 'on', 'synchronous', { ...lost, canLimitWrites: true }],
    ['fail', 'late', 'synchronous', { ...lost, lags: true, canLimitWrites: true }],
  ])('%s when %s in %s mode, %j', (measure, judgement, mode, rest) =>
    expect(nextDiskMeasure({ judgement, mode, ...rest })).toBe(measure),
  );
});

describe('memory that does not converge [SLM 2.10, 5.3 #37 #48 #49]', () => {
  const measure = (
    options: { postCopy?: boolean; disruption?: boolean },
    postCopy: 'possible' | 'impossible' | 'running' = 'possible',
    paused = false,
  ) =>
    (['on', 'stuck', 'late'] as const).map((judgement) =>
      nextMemoryMeasure(
        { allowPostCopy: options.postCopy ?? false, allowWorkloadDisruption: options.disruption ?? false },
        { judgement, postCopy, paused },
      ),
    );
  it('fails when nothing is allowed', () => expect(measure({})).toEqual(['wait', 'fail', 'fail']));
  it('goes on by post-copy where that is allowed and possible', () =>
    expect(measure({ postCopy: true, disruption: true })).toEqual(['wait', 'post-copy', 'post-copy']));
  it('pauses the guest where only that is possible', () => {
    expect(measure({ postCopy: true, disruption: true }, 'impossible')).toEqual(['wait', 'pause', 'pause']);
    expect(measure({ disruption: true })).toEqual(['wait', 'pause', 'pause']);
  });
  it('fails when post-copy is allowed, impossible, and a pause is not', () =>
    expect(measure({ postCopy: true }, 'impossible')).toEqual(['wait', 'fail', 'fail']));
  it('does not pause twice', () =>
    expect(measure({ disruption: true }, 'impossible', true)).toEqual(['wait', 'fail', 'fail']));
  it('leaves post-copy alone once it runs', () =>
    expect(measure({ postCopy: true }, 'running')).toEqual(['wait', 'wait', 'wait']));
});

describe('a copy that is given up', () => {
  it('says the numbers and what would help', () => {
    expect(
      memoryFailure(
        'No progress for 150 s, progressTimeout is 150 s',
        { bytesRemaining: 300 * 2 ** 20, bytesPerSecond: 1.5 * 2 ** 20, dirtyBytesPerSecond: 2 ** 24 },
        convergencePolicy({ bandwidthPerMigration: '2Mi' }),
      ),
    ).toBe(
      'No progress for 150 s, progressTimeout is 150 s; 300 MiB of memory remain, copied at 1.5 MiB/s, written by the guest at 16 MiB/s, with 900 ms of downtime allowed. Raise bandwidthPerMigration (2 MiB/s), set allowAutoConverge, set allowPostCopy, set allowWorkloadDisruption, or raise maxDowntimeMs',
    );
    expect(diskFailure('Late', { bytesRemaining: 1024, bytesPerSecond: 0 }, convergencePolicy({}))).toBe(
      'Late; 1 KiB of disks remain, copied at 0 B/s. Raise completionTimeoutPerGiB or progressTimeout, set allowAutoConverge, or let the guest write less',
    );
  });
  it('says that it is not known yet how much there was to do', () =>
    expect(diskFailure('Late', {}, convergencePolicy({}))).toMatch(
      /^Late; QEMU has not said yet how much of disks there is\. /,
    ));
  it('does not recommend what is set', () => {
    const all = convergencePolicy({ allowAutoConverge: true, allowPostCopy: true });
    expect(memoryFailure('Late', { bytesRemaining: 1 }, all)).toBe(
      'Late; 1 B of memory remain, with 900 ms of downtime allowed. Raise maxDowntimeMs',
    );
  });
  it('says why the guest did not go by post-copy', () => {
    const text = (allowPostCopy: boolean) =>
      memoryFailure('Late', { bytesRemaining: 1 }, convergencePolicy({ allowPostCopy }), 'volumes are copied as well');
    expect(text(true)).toContain(' allowed, without post-copy, because volumes are copied as well. ');
    expect(text(false)).not.toMatch(/post-?copy/i);
  });
});
