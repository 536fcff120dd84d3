import type { BlockdevOptions } from '@godwit/qmp';
import type { DiskBacking } from './contract/disk-backing.ts';
import type { DiskSpec } from './contract/machine-spec.ts';

/**
 * Names of the block nodes behind a disk. QEMU allows 31 characters, KubeVirt's volume names have up to 63, so nodes
 * are numbered by the disk's place in the spec. Each mirror target is a new generation of its disk:
 *
 *   disk3-0          what the guest device uses (generation 0: from launch)
 *   disk3-0-format   only when the root is a slice of a format other than raw
 *   disk3-0-file     the file or device
 *   disk3-1          target of the first mirror
 *   disk3-1-mirror   filter above disk3-0 while that mirror runs
 */
export interface DiskNode {
  readonly index: number;
  readonly generation: number;
  readonly part: 'root' | 'format' | 'file' | 'mirror';
}

const PATTERN = /^disk(\d+)-(\d+)(?:-(format|file|mirror))?$/;

export function rootNode(index: number, generation: number): string {
  return `disk${index}-${generation}`;
}

export function mirrorFilterNode(index: number, generation: number): string {
  return `${rootNode(index, generation)}-mirror`;
}

export function parseNodeName(name: string): DiskNode | undefined {
  const match = PATTERN.exec(name);
  if (!match) return undefined;
  // The cast is safe: the pattern allows exactly these words.
  return { index: Number(match[1]), generation: Number(match[2]), part: (match[3] ?? 'root') as DiskNode['part'] };
}

/** Id of the guest device of a disk; volume names may begin with a digit, ids may not. */
export function diskDeviceId(disk: string): string {
  return `disk-${disk}`;
}

export function mirrorJobId(disk: string): string {
  return `mirror-${disk}`;
}

export function diskOfMirrorJob(jobId: string): string | undefined {
  return jobId.startsWith('mirror-') ? jobId.slice('mirror-'.length) : undefined;
}

/**
 * The node tree that shows `backing` as a disk of exactly `spec.sizeBytes`: a bigger file or image is cut by a raw
 * slice, so that source and target of a copy have the same size whatever lies below.
 */
export function backingNodes(
  spec: Pick<DiskSpec, 'sizeBytes' | 'cache'>,
  backing: DiskBacking,
  name: string,
  virtualSizeBytes: number,
): BlockdevOptions {
  const common = {
    'read-only': backing.readOnly,
    cache: { direct: spec.cache === 'none', 'no-flush': false },
    discard: 'unmap',
  };
  const detect = backing.readOnly ? {} : { 'detect-zeroes': 'unmap' };
  const file: BlockdevOptions = {
    driver: backing.driver,
    'node-name': `${name}-file`,
    filename: backing.path,
    aio: 'threads',
    ...common,
  };
  const slice = virtualSizeBytes > spec.sizeBytes ? { size: spec.sizeBytes } : {};
  if (backing.format === 'raw') return { driver: 'raw', 'node-name': name, ...slice, ...common, ...detect, file };
  if (virtualSizeBytes <= spec.sizeBytes) {
    return { driver: backing.format, 'node-name': name, ...common, ...detect, file };
  }
  const format: BlockdevOptions = { driver: backing.format, 'node-name': `${name}-format`, ...common, file };
  return { driver: 'raw', 'node-name': name, ...slice, ...common, ...detect, file: format };
}
