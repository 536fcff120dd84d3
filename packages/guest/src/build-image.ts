import { glob, mkdir, open, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cachedDirectory, contentKey } from './cache.ts';
import { cpio } from './cpio.ts';
import type { CpioEntry } from './cpio.ts';
import { fetchKernel } from './kernel.ts';
import type { KernelFiles } from './kernel.ts';
import { dependsOf, loadOrder, moduleName } from './modules.ts';
import { runTool } from './run-tool.ts';

/** Raise when this file changes what is built from the same sources. */
const recipe = '1';
const sourceDirectory = join(import.meta.dirname, '..', 'guest');
const wantedModules = [
  'virtio_pci',
  'virtio_blk',
  'virtio_scsi',
  'sd_mod',
  'virtio_net',
  'virtio_rng',
  'virtio_balloon',
  'evdev',
  'button',
  'isofs',
];
const commandLine = 'console=ttyS0 quiet loglevel=3 panic=1 mitigations=off random.trust_cpu=on nokaslr no_timer_check';

const mib = 1 << 20;
const diskBytes = 32 * mib;
/** Where the FAT partition begins; the gap before it holds the boot record. */
const partitionStart = mib;
const sectors = (bytes: number): number => bytes / 512;

const applets = [
  'sh',
  'ls',
  'cat',
  'echo',
  'ps',
  'free',
  'dmesg',
  'mount',
  'umount',
  'ip',
  'ping',
  'poweroff',
  'reboot',
  'halt',
  'dd',
  'hexdump',
  'df',
  'top',
  'uptime',
  'uname',
  'mkdir',
  'grep',
  'head',
  'tail',
  'sync',
  'date',
  'sleep',
  'wget',
  'nc',
  'hostname',
  'id',
  'md5sum',
  'sha256sum',
  'vi',
  'kill',
  'stty',
  'tty',
  'udhcpc',
  'wc',
  'seq',
  'true',
  'false',
  'test',
  'lsmod',
  'blockdev',
  'mke2fs',
  'clear',
  'env',
  'cp',
  'mv',
  'rm',
  'ln',
  'less',
];

/**
 * Path of the bootable raw disk image (BIOS, virtio-blk), built on first use and cached by content. Needs gcc, mtools, syslinux
 * and apt's package source on the first call, nothing later. Rejects with `GUEST_TOOL_FAILED` or `GUEST_KERNEL_UNAVAILABLE`;
 * a failed or interrupted build leaves nothing that a later one would mistake for an image.
 */
export async function buildGuestImage(options: { readonly cacheDirectory: string }): Promise<string> {
  const cache = options.cacheDirectory;
  const kernel = await fetchKernel(cache);
  const names = (await readdir(sourceDirectory)).toSorted();
  const sources = await Promise.all(names.map((name) => readFile(join(sourceDirectory, name))));
  const key = contentKey([recipe, commandLine, kernel.id, ...wantedModules, ...applets, ...names, ...sources]);
  const directory = await cachedDirectory(cache, `image-${key}`, async (draft) => {
    const scratch = join(draft, 'scratch');
    const initrd = join(scratch, 'initrd');
    const init = join(scratch, 'init');
    await mkdir(scratch);
    await compile(
      names.filter((name) => name.endsWith('.c')),
      init,
    );
    await writeFile(initrd, cpio(await rootEntries(init, kernel)));
    await writeDisk(join(draft, 'disk.img'), kernel.image, initrd, scratch);
    await rm(scratch, { recursive: true });
  });
  return join(directory, 'disk.img');
}

async function compile(files: readonly string[], output: string): Promise<void> {
  const flags = ['-std=gnu11', '-static', '-O2', '-pthread', '-s', '-Wall', '-Wextra', '-Werror'];
  await runTool('gcc', [...flags, '-o', output, ...files.map((file) => join(sourceDirectory, file))]);
}

async function rootEntries(init: string, kernel: KernelFiles): Promise<readonly CpioEntry[]> {
  const directories = ['bin', 'dev', 'etc', 'modules', 'proc', 'sys', 'tmp'].map((path) => ({ path, mode: 0o40755 }));
  const links = applets.map((name) => ({ path: `bin/${name}`, mode: 0o120777, content: Buffer.from('busybox') }));
  return [
    ...directories,
    { path: 'dev/console', mode: 0o20600, device: { major: 5, minor: 1 } },
    { path: 'init', mode: 0o100755, content: await readFile(init) },
    { path: 'bin/busybox', mode: 0o100755, content: await readFile(kernel.busybox) },
    ...links,
    ...(await moduleEntries(kernel.modules)),
  ];
}

async function moduleEntries(directory: string): Promise<readonly CpioEntry[]> {
  const paths = new Map<string, string>();
  for await (const path of glob('**/*.ko', { cwd: directory })) paths.set(moduleName(path), join(directory, path));
  const contents = new Map<string, Buffer>();
  const pending = [...wantedModules];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    const path = paths.get(name);
    if (path === undefined || contents.has(name)) continue;
    const content = await readFile(path);
    contents.set(name, content);
    pending.push(...dependsOf(content));
  }
  const order = loadOrder(wantedModules, (name) => {
    const content = contents.get(name);
    return content && { name, path: paths.get(name) ?? '', depends: dependsOf(content) };
  });
  return order.map((module, index) => ({
    path: `modules/${String(index).padStart(2, '0')}-${module.name}.ko`,
    mode: 0o100644,
    content: contents.get(module.name)!, // every member of `order` came from `contents`
  }));
}

/** One active FAT partition with SYSLINUX in it, made on a plain file: no loop device, no root. */
async function writeDisk(path: string, kernelImage: string, initrd: string, scratch: string): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.truncate(diskBytes);
    await file.write(bootRecord(await readFile(await findMbr())), 0, 512, 0);
  } finally {
    await file.close();
  }
  const partition = `${path}@@${partitionStart}`;
  const config = join(scratch, 'syslinux.cfg');
  const label = `DEFAULT godwit\nPROMPT 0\nTIMEOUT 0\nLABEL godwit\n  LINUX /vmlinuz\n  INITRD /initrd\n  APPEND ${commandLine}\n`;
  await writeFile(config, label);
  const size = String(sectors(diskBytes - partitionStart));
  await runTool('mformat', [
    '-i',
    partition,
    '-T',
    size,
    '-h',
    '255',
    '-s',
    '63',
    '-H',
    String(sectors(partitionStart)),
    '-v',
    'GODWIT',
    '-N',
    '47574954',
    '::',
  ]);
  await runTool('mcopy', ['-i', partition, kernelImage, '::/vmlinuz']);
  await runTool('mcopy', ['-i', partition, initrd, '::/initrd']);
  await runTool('mcopy', ['-i', partition, config, '::/syslinux.cfg']);
  await runTool('syslinux', ['--install', '--offset', String(partitionStart), path]);
}

/** SYSLINUX's boot code with a table of one active partition, FAT16 with LBA. */
function bootRecord(code: Buffer): Buffer {
  const record = Buffer.alloc(512);
  code.copy(record, 0, 0, Math.min(code.length, 440));
  const entry = 446;
  record.writeUInt8(0x80, entry);
  record.set([0xfe, 0xff, 0xff], entry + 1);
  record.writeUInt8(0x0e, entry + 4);
  record.set([0xfe, 0xff, 0xff], entry + 5);
  record.writeUInt32LE(sectors(partitionStart), entry + 8);
  record.writeUInt32LE(sectors(diskBytes - partitionStart), entry + 12);
  record.writeUInt16LE(0xaa55, 510);
  return record;
}

async function findMbr(): Promise<string> {
  const places = [
    '/usr/lib/syslinux/mbr/mbr.bin',
    '/usr/lib/SYSLINUX/mbr.bin',
    '/usr/share/syslinux/mbr.bin',
    '/usr/lib/syslinux/bios/mbr.bin',
  ];
  for (const place of places) {
    const found = await readFile(place).then(
      () => true,
      () => false,
    );
    if (found) return place;
  }
  return places[0]!;
}
