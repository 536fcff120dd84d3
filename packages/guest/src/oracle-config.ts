/** What the guest's write oracle does. Rates are per second; zero turns that part off. */
export interface OracleConfig {
  /** 16 hexadecimal digits; records of other runs on the same disk are not ours. */
  readonly runId: string;
  /** UDP port on the host, which the guest reaches as its gateway. */
  readonly reportPort: number;
  /** Serial of the data disk; absent: the first disk that is empty. */
  readonly diskSerial?: string;
  readonly writesPerSecond?: number;
  readonly memoryMib?: number;
  /** Memory that is filled once with noise and then left alone. */
  readonly ballastMib?: number;
  readonly dirtyMibPerSecond?: number;
  readonly heartbeatMs?: number;
}

/** Address of the host in the guest's network (KubeVirt's masquerade: guest 10.0.2.2, gateway 10.0.2.1). */
const hostInGuest = '10.0.2.1';

function pairs(config: OracleConfig): readonly (readonly [string, string])[] {
  const all: readonly (readonly [string, string | number | undefined])[] = [
    ['run', config.runId],
    ['report', `${hostInGuest}:${config.reportPort}`],
    ['disk', config.diskSerial],
    ['writes-per-second', config.writesPerSecond],
    ['memory-mib', config.memoryMib],
    ['ballast-mib', config.ballastMib],
    ['dirty-mib-per-second', config.dirtyMibPerSecond],
    ['heartbeat-ms', config.heartbeatMs],
  ];
  return all.flatMap(([key, value]) => (value === undefined ? [] : [[key, String(value)] as const]));
}

/** The cloud-init NoCloud user-data that configures the oracle. */
export function oracleUserData(config: OracleConfig): string {
  return `#godwit-oracle\n${pairs(config)
    .map(([key, value]) => `${key}: ${value}\n`)
    .join('')}`;
}
