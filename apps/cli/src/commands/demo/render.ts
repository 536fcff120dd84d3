import type { MigrationProgress, VmimPhase } from '@godwit/api';
import { table } from '../../output.ts';
import type { DemoReport, Findings, MoveKind, ReportedMove } from './report.ts';

const stages = {
  Preparing: 'preparing',
  CopyingDisks: 'copying disks',
  CopyingMemory: 'copying memory',
  SwitchingOver: 'switching over',
  HandingOver: 'handing over',
  Done: 'done',
  Failed: 'failed',
} satisfies Record<MigrationProgress['stage'], string>;

const kinds = { storage: 'storage', node: 'node', cluster: 'cluster' } satisfies Record<MoveKind, string>;

export function formatBytes(bytes: number): string {
  if (bytes >= 2 ** 30) return `${(bytes / 2 ** 30).toFixed(2)} GiB`;
  if (bytes >= 2 ** 20) return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  return `${(bytes / 2 ** 10).toFixed(0)} KiB`;
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;
const milliseconds = (ms: number): string => `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;

/** One line that says where a move is. */
export function progressLine(
  title: string,
  phase: VmimPhase | undefined,
  progress: MigrationProgress | undefined,
): string {
  if (progress === undefined) return `${title}: ${phase === undefined || phase === '' ? 'requested' : phase}`;
  const parts = [`${title}: ${stages[progress.stage]}`];
  if (progress.bytesTotal > 0) {
    const percent = Math.min(100, Math.floor((100 * progress.bytesDone) / progress.bytesTotal));
    parts.push(`${percent} %`, `${formatBytes(progress.bytesDone)} of ${formatBytes(progress.bytesTotal)}`);
    if (progress.bytesTransferred !== undefined) parts.push(`${formatBytes(progress.bytesTransferred)} moved`);
  }
  if (progress.bytesPerSecond !== undefined) parts.push(`${formatBytes(progress.bytesPerSecond)}/s`);
  if (progress.etaSeconds !== undefined) parts.push(`${Math.ceil(progress.etaSeconds)} s left`);
  return parts.join('  ');
}

export function moveLine(move: ReportedMove): string {
  return `${kinds[move.kind]} ${move.from} -> ${move.to}: ${seconds(move.totalMs)}, guest silent for at most ${milliseconds(move.guestGapMs)}`;
}

export function renderReport(report: DemoReport, findings: Findings): string {
  const head = ['MOVE', 'FROM', 'TO', 'TOTAL', 'MOVED', 'THROUGHPUT', 'DOWNTIME (QEMU)', 'GAP (GUEST)'];
  const rows = report.moves.map((move) => [
    kinds[move.kind],
    move.from,
    move.to,
    seconds(move.totalMs),
    formatBytes(move.bytes),
    `${formatBytes(move.bytesPerSecond)}/s`,
    milliseconds(move.downtimeMs),
    milliseconds(move.guestGapMs),
  ]);
  const { guest, disk } = findings;
  return [
    table([head, ...rows]),
    '',
    `Writes:  ${report.oracle.acknowledged} acknowledged, ${disk.checked} checked on the final disk, ${disk.lost} lost, ${disk.corrupt} corrupt`,
    `Memory:  ${guest.pagesChecked} pages checked, ${guest.memoryErrors} wrong`,
    `Guest:   ${guest.heartbeats} heartbeats heard, ${guest.missing} not, ${report.reboots} reboots seen`,
    `Copies:  at most ${report.runnersMax} ran at any time`,
  ].join('\n');
}
