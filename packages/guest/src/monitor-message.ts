import { isObject } from '@godwit/core/json';

/** A line of a QMP monitor; undefined for the half line that a QEMU leaves which is killed. */
export function parseMonitorMessage(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** When an event happened, in milliseconds since the epoch: QEMU stamps it with the host's clock. */
export function monitorTimeMs(message: Record<string, unknown>): number {
  const stamp = message['timestamp'];
  if (!isObject(stamp) || typeof stamp['seconds'] !== 'number' || typeof stamp['microseconds'] !== 'number')
    return Date.now();
  return stamp['seconds'] * 1000 + stamp['microseconds'] / 1000;
}
