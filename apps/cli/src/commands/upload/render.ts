import { mebibytes } from '../../output.ts';

export function sendingLine(name: string, sentBytes: number, totalBytes: number, elapsedMs: number): string {
  const percent = totalBytes === 0 ? 100 : (100 * sentBytes) / totalBytes;
  const rate = elapsedMs > 500 ? `, ${mebibytes((sentBytes * 1000) / elapsedMs)}/s` : '';
  return `Uploading into ${name}: ${mebibytes(sentBytes)} of ${mebibytes(totalBytes)} (${percent.toFixed(0)} %${rate})`;
}

/** `progress` is the node agent's figure of the whole work, such as `85.0%`. */
export function copyingLine(name: string, progress: string | undefined): string {
  return `The image has arrived; filling ${name}${progress === undefined ? '' : ` (${progress})`}`;
}
