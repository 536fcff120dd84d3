import { bars, judge } from './bars.ts';
import type { Verdict } from './bars.ts';
import { operations, values } from './samples.ts';
import type { Figure, Operation, Results } from './samples.ts';
import { spreadOf } from './statistics.ts';

const described: Record<Operation, string> = {
  'godwit-tls': 'Godwit, to another node, mutual TLS',
  'godwit-plain': 'Godwit, to another node, `disableTLS`',
  'godwit-in-place': 'Godwit, in place',
  'raw-tls': "Godwit's engine alone, mutual TLS",
  'virsh-tls': '`virsh migrate --copy-storage-all --tls`',
  'virsh-plain': '`virsh migrate --copy-storage-all`',
  'virsh-blockcopy': '`virsh blockcopy --pivot`',
  'qemu-img': '`qemu-img convert -t none -T none`',
  nbdcopy: '`nbdcopy`',
};
const columns: readonly (readonly [Figure, string])[] = [
  ['totalMs', 'total'],
  ['runsMs', 'guest runs there'],
  ['firstByteMs', 'first byte'],
  ['gapMs', 'guest silent'],
  ['switchGapMs', 'of that at the switchover'],
  ['writeGapMs', 'writes stalled'],
  ['allocation', 'allocated'],
];

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');

const number = (value: number): string =>
  Number.isNaN(value) ? '-' : value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);

/** The report as Markdown. Pure: the same results give the same text. */
export function renderReport(results: Results): string {
  const verdicts = bars.map((bar) => judge(bar, results.samples)).filter(({ bar }) => hasCase(results, bar.case));
  const count = (kind: Verdict['verdict']): number => verdicts.filter(({ verdict }) => verdict === kind).length;
  return `${[
    '# Benchmarks',
    intro,
    `Measured ${results.startedAt.slice(0, 10)}. ${count('met')} promises met, ${count('missed')} missed, ${count('unmeasured')} not measured.`,
    ...(results.missing.length === 0 ? [] : [results.missing.map((line) => `- Not measured: ${line}`).join('\n')]),
    '## Promises',
    barTable(verdicts),
    ...results.cases.flatMap(({ name, title }) => [
      `## ${title} (\`${name}\`)`,
      caseTable(results, name),
      ...voids(results, name),
    ]),
    '## Machine and settings',
    table(
      ['', ''],
      Object.entries({ ...results.machine, ...results.settings }).map(([name, value]) => [name, value]),
    ),
    method,
  ].join('\n\n')}\n`;
}

const hasCase = (results: Results, name: string): boolean => results.cases.some((one) => one.name === name);

function barTable(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map(({ bar, estimate, verdict, sure }) => {
    const bound = 'atLeast' in bar.bound ? `≥ ${number(bar.bound.atLeast)}` : `≤ ${number(bar.bound.atMost)}`;
    const measured = estimate === undefined ? '-' : number(estimate.value);
    const interval = estimate === undefined ? '-' : `${number(estimate.low)} – ${number(estimate.high)}`;
    const said = verdict === 'unmeasured' || sure ? verdict : `${verdict}, within the noise`;
    return [`\`${bar.case}\``, bar.promise, bound, measured, interval, verdict === 'missed' ? `**${said}**` : said];
  });
  return table(['case', 'promise', 'bound', 'measured', '95 % interval', 'verdict'], rows);
}

function caseTable(results: Results, name: string): string {
  const there = operations.filter((operation) =>
    results.samples.some((sample) => sample.case === name && sample.operation === operation),
  );
  const used = columns.filter(([figure]) =>
    there.some((operation) => values(results.samples, { case: name, operation, figure }).length > 0),
  );
  const rows = there.map((operation) => {
    const cells = used.map(([figure]) => {
      const spread = spreadOf(values(results.samples, { case: name, operation, figure }));
      return spread === undefined ? '-' : `${number(spread.median)} (${number(spread.min)} – ${number(spread.max)})`;
    });
    const counted = values(results.samples, { case: name, operation, figure: 'totalMs' }).length;
    const lost = results.samples.filter(
      (sample) => sample.case === name && sample.operation === operation && sample.void !== undefined,
    ).length;
    return [described[operation], String(counted), String(lost), ...cells];
  });
  return table(['', 'counted', 'void', ...used.map(([, title]) => title)], rows);
}

function voids(results: Results, name: string): string[] {
  const reasons = new Map<string, number>();
  for (const sample of results.samples) {
    if (sample.case !== name || sample.void === undefined) continue;
    const line = `${described[sample.operation]}: ${sample.void.slice(0, 300).replaceAll('\n', ' ')}`;
    reasons.set(line, (reasons.get(line) ?? 0) + 1);
  }
  if (reasons.size === 0) return [];
  return [['Void samples:', '', ...[...reasons].map(([line, count]) => `- ${count} x ${line}`)].join('\n')];
}

const intro = `Written by \`npm run bench\`, which compares Godwit with libvirt and with plain copies of the same disk on the same machine in one
run. Times are milliseconds: median (least – greatest). A sample counts only if the guest was alive and verified afterwards.`;

const method = `## Method

- Every contender has a guest of its own, booted from the same image with the same load: ${'`@godwit/guest`'}, which writes numbered
  records with \`fdatasync\`, checks every page of its memory before it dirties it, and sends a heartbeat every 5 ms, past its own
  network stack. Guests rest while others are measured.
- In each round every contender moves once, in an order that is another one every round. Outliers stay in.
- *total* runs from the request until the one who asked hears the end: for Godwit from creating the
  VirtualMachineInstanceMigration until it is \`Succeeded\`, for virsh its run time with the creation of the target file. The source's
  QEMU has ended by then. Claims and volume change are made before.
- *first byte*: when a disk's copy has first moved bytes in the source's QEMU.
- *guest silent*: the longest time without a heartbeat; *at the switchover*: the longest that touches the time from the pause until
  half a second after the guest runs on the target. Without KVM, QEMU before 9.0 lets a guest of ours stand still once more, when memory
  begins to travel, for a time that grows with the guest's memory and with what it touches at once: the price of not damaging it.
  *writes stalled*: the longest time without an acknowledged write.
- *allocated*: bytes that the target occupies, of those of the source.
- After each move: the guest is heard on, has not started anew and found no damaged page; every acknowledged write is on the target;
  192 places all over the disk equal the original.
- The disk holds random data in extents of 1 MiB spread evenly; the guest writes within the first 17 MiB.
- The intervals are bootstrap intervals (10 000 resamples, seeded). *within the noise* means that the bound lies inside.
- libvirt: two libvirtd with namespaces and directories of their own, no security driver, TLS verified both ways, everything else as it
  comes. Its guests have whole MiB of memory, with which QEMU before 9.0 loses guests under TCG now and then: those samples are void.`;
