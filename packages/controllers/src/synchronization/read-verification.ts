import type { MigrationVerification, VolumeVerification } from '@godwit/api';
import { isObject } from '@godwit/core/json';

type Bag = Record<string, unknown>;

const RESULTS: readonly MigrationVerification['result'][] = ['Identical', 'Different', 'Partial', 'NothingCopied'];
const VOLUME_RESULTS: readonly VolumeVerification['result'][] = ['Identical', 'Different', 'Skipped'];

function texts<K extends string>(from: Bag, ...keys: readonly K[]): Partial<Record<K, string>> {
  const found: Partial<Record<K, string>> = {};
  for (const key of keys) if (typeof from[key] === 'string') found[key] = from[key];
  return found;
}

const numberOf = (value: unknown): number => (typeof value === 'number' && value >= 0 ? value : 0);

function volumeOf(value: unknown): VolumeVerification[] {
  if (!isObject(value) || typeof value['name'] !== 'string') return [];
  const result = VOLUME_RESULTS.find((one) => one === value['result']);
  if (result === undefined) return [];
  return [
    {
      name: value['name'],
      result,
      bytes: numberOf(value['bytes']),
      bytesRead: numberOf(value['bytesRead']),
      milliseconds: numberOf(value['milliseconds']),
      ...texts(value, 'digest', 'targetDigest', 'message'),
      ...(typeof value['differenceAt'] === 'number' && { differenceAt: value['differenceAt'] }),
      ...(typeof value['cached'] === 'boolean' && { cached: value['cached'] }),
    },
  ];
}

/** What a source says that it has found when the disks were compared; undefined when it says nothing that makes sense. */
export function readVerification(value: unknown): MigrationVerification | undefined {
  if (!isObject(value)) return undefined;
  const result = RESULTS.find((one) => one === value['result']);
  const { verifiedAt, message } = texts(value, 'verifiedAt', 'message');
  const { volumes } = value;
  if (result === undefined || verifiedAt === undefined || !Array.isArray(volumes)) return undefined;
  return {
    result,
    verifiedAt,
    milliseconds: numberOf(value['milliseconds']),
    volumes: volumes.flatMap(volumeOf),
    ...(message !== undefined && { message }),
  };
}
