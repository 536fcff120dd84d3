import { isObject } from '@godwit/core/json';
import type { MachineSpec } from '@godwit/hypervisor';
import type { SourceMessage, TargetMessage } from '@godwit/migration';

/** What the source brings along with `hello`. */
export interface Offer {
  readonly protocol: 1;
  readonly spec: MachineSpec;
  readonly copyDisks: readonly string[];
  /** Memory may come by post-copy if the target can take it so. */
  readonly postCopy?: true;
  /** Memory may come on so many connections beside the main one. */
  readonly multifdChannels?: number;
  /** Somebody has paused the guest: it stays so. */
  readonly paused?: true;
}

/** More would only cost threads. */
export const MOST_CHANNELS = 16;

/** Where the target waits for the rest of a guest's memory; each time it begins to has a number of its own. */
export interface Rejoin {
  readonly memory: number;
  readonly block: number;
  readonly number: number;
}

/** Steps of the switchover that the source asks of the target, beside the handover messages. */
export type Call = 'alive' | 'stopExport';

/** What the target answers with a value: digests of its disks, or of the chunks of one of them from a number on. */
export type Question =
  | { readonly call: 'digests' }
  | { readonly call: 'chunks'; readonly disk: string; readonly from: number };

export type SourceWire =
  | { readonly type: 'handover'; readonly message: SourceMessage; readonly offer?: Offer }
  | ({ readonly type: 'call'; readonly id: number } & ({ readonly call: Call } | Question));

export type TargetWire =
  /** `postCopy`, with `prepared`: the target can take memory by post-copy. */
  | {
      readonly type: 'handover';
      readonly message: TargetMessage;
      readonly postCopy?: true;
      /** With `prepared`: as offered; absent: the main one only. */
      readonly multifdChannels?: number;
      /** With `torn`. */
      readonly rejoin?: Rejoin;
    }
  | { readonly type: 'return'; readonly id: number; readonly error?: string; readonly value?: unknown };

const SOURCE_KINDS: readonly string[] = [
  'hello',
  'commit',
  'abort',
  'query',
  'severed',
] satisfies SourceMessage['kind'][];
const TARGET_KINDS: readonly string[] = [
  'prepared',
  'ready',
  'committed',
  'running',
  'whole',
  'torn',
  'lost',
  'aborted',
  'unknown',
  'inquire',
] satisfies TargetMessage['kind'][];

/** undefined: not something a source says. */
export function readSourceWire(value: unknown): SourceWire | undefined {
  if (!isObject(value)) return undefined;
  if (value['type'] === 'call') {
    const { id, call, disk, from } = value;
    if (typeof id !== 'number') return undefined;
    if (call === 'alive' || call === 'stopExport' || call === 'digests') return { type: 'call', id, call };
    return call === 'chunks' && typeof disk === 'string' && typeof from === 'number' && Number.isSafeInteger(from)
      ? { type: 'call', id, call, disk, from }
      : undefined;
  }
  if (value['type'] !== 'handover' || !isMessage(value['message'], SOURCE_KINDS)) return undefined;
  // The cast is safe: kind and epoch were just checked.
  const message = value['message'] as unknown as SourceMessage;
  const offer = readOffer(value['offer']);
  if (message.kind === 'hello' && offer === undefined) return undefined;
  return { type: 'handover', message, ...(offer === undefined ? {} : { offer }) };
}

export function readTargetWire(value: unknown): TargetWire | undefined {
  if (!isObject(value)) return undefined;
  if (value['type'] === 'return') {
    const { id, error, value: answer } = value;
    if (typeof id !== 'number') return undefined;
    return typeof error === 'string' ? { type: 'return', id, error } : { type: 'return', id, value: answer };
  }
  if (value['type'] !== 'handover' || !isMessage(value['message'], TARGET_KINDS)) return undefined;
  const postCopy = value['postCopy'] === true;
  const rejoin = readRejoin(value['rejoin']);
  return {
    type: 'handover',
    message: value['message'] as unknown as TargetMessage,
    ...(postCopy && { postCopy }),
    ...(rejoin && { rejoin }),
    ...readChannels(value['multifdChannels']),
  };
}

function readRejoin(value: unknown): Rejoin | undefined {
  if (!isObject(value)) return undefined;
  const { memory, block, number } = value;
  return typeof memory === 'number' && typeof block === 'number' && typeof number === 'number'
    ? { memory, block, number }
    : undefined;
}

function isMessage(value: unknown, kinds: readonly string[]): value is Record<string, unknown> {
  return (
    isObject(value) &&
    typeof value['kind'] === 'string' &&
    kinds.includes(value['kind']) &&
    Number.isSafeInteger(value['epoch']) &&
    (value['reason'] === undefined || typeof value['reason'] === 'string')
  );
}

function readOffer(value: unknown): Offer | undefined {
  if (!isObject(value) || value['protocol'] !== 1 || !isSpec(value['spec'])) return undefined;
  const { copyDisks } = value;
  if (!Array.isArray(copyDisks) || !copyDisks.every((name) => typeof name === 'string')) return undefined;
  const postCopy = value['postCopy'] === true;
  return {
    protocol: 1,
    spec: value['spec'],
    copyDisks,
    ...(postCopy && { postCopy }),
    ...(value['paused'] === true && { paused: true as const }),
    ...readChannels(value['multifdChannels']),
  };
}

function readChannels(value: unknown): { readonly multifdChannels?: number } {
  const isCount = typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= MOST_CHANNELS;
  return isCount ? { multifdChannels: value } : {};
}

function isSpec(value: unknown): value is MachineSpec {
  if (!isObject(value)) return false;
  const { cpu, disks, nics } = value;
  return (
    ['name', 'uuid', 'machineType'].every((key) => typeof value[key] === 'string') &&
    typeof value['memoryKiB'] === 'number' &&
    typeof value['rng'] === 'boolean' &&
    isObject(cpu) &&
    typeof cpu['model'] === 'string' &&
    ['sockets', 'cores', 'threads'].every((key) => typeof cpu[key] === 'number') &&
    Array.isArray(disks) &&
    disks.every(
      (disk) => isObject(disk) && typeof disk['name'] === 'string' && typeof disk['sizeBytes'] === 'number',
    ) &&
    Array.isArray(nics) &&
    nics.every((nic) => isObject(nic) && typeof nic['name'] === 'string' && typeof nic['mac'] === 'string')
  );
}
