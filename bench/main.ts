import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describeError, GodwitError } from '@godwit/core/errors';
import { buildGuestImage, defaultCacheDirectory } from '@godwit/guest';
import { startGodwitCluster } from './contenders/godwit.ts';
import { startLibvirtPair } from './contenders/libvirt.ts';
import { makeDisk, slotsFit } from './disk.ts';
import { machineFacts } from './machine-facts.ts';
import { readOptions, usage } from './options.ts';
import type { BenchOptions } from './options.ts';
import { plan } from './plan.ts';
import type { CaseSpec } from './plan.ts';
import { renderReport } from './report.ts';
import { runCase } from './run-case.ts';
import type { Houses } from './run-case.ts';
import { tryCommand } from './run-command.ts';
import type { Results, Sample } from './samples.ts';
import { endLeftOvers } from './sweep.ts';

const SMALL_DISK_MIB = 64;
const BUSY_LOAD = 1;

const startedMs = performance.now();
function say(text: string): void {
  const seconds = Math.round((performance.now() - startedMs) / 1000);
  process.stdout.write(`[${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}] ${text}\n`);
}

async function present(program: string): Promise<boolean> {
  return (await tryCommand('sh', ['-c', `PATH="$PATH:/usr/sbin:/sbin" command -v ${program}`])).status === 0;
}

/** What cannot be compared with here, and what would change that. */
async function whatIsMissing(): Promise<{ libvirt?: string; nbdcopy?: string }> {
  const install = 'apt-get install --no-install-recommends';
  const libvirt = (await present('libvirtd')) && (await present('virsh'));
  const root = process.getuid?.() === 0;
  return {
    ...(libvirt && root
      ? {}
      : {
          libvirt: libvirt
            ? 'virsh: two libvirtd of our own need root'
            : `virsh: ${install} libvirt-daemon-system libvirt-clients libvirt-daemon-driver-qemu`,
        }),
    ...((await present('nbdcopy')) ? {} : { nbdcopy: `nbdcopy: ${install} libnbd-bin` }),
  };
}

/** The guests of the case under way. */
let guests = new AsyncDisposableStack();

async function readResults(file: string): Promise<Results | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  // The cast is safe: this program wrote the file.
  return text === undefined ? undefined : (JSON.parse(text) as Results);
}

async function measure(options: BenchOptions, directory: string, owned: AsyncDisposableStack): Promise<Results> {
  const cases = plan(options);
  const missing = await whatIsMissing();
  for (const line of Object.values(missing)) say(`cannot measure ${line}`);
  const startedAt = new Date().toISOString();
  const machine = await machineFacts(directory);
  const resultsFile = resolve(options.results);
  const before = options.append ? await readResults(resultsFile) : undefined;
  const samples: Sample[] = (before?.samples ?? []).filter((sample) => !cases.some(({ name }) => name === sample.case));
  const results = (): Results => ({
    version: 1,
    startedAt: before?.startedAt ?? startedAt,
    finishedAt: new Date().toISOString(),
    machine,
    settings: {
      'rounds of each case': String(options.runs),
      disk: `${options.diskMib} MiB`,
      ...(options.quick ? { quick: 'yes' } : {}),
    },
    cases: [
      ...(before?.cases ?? []).filter((one) => !cases.some(({ name }) => name === one.name)),
      ...cases.map(({ name, title }) => ({ name, title })),
    ],
    samples,
    missing: Object.values(missing),
  });
  const guestImage = await buildGuestImage({ cacheDirectory: defaultCacheDirectory(process.env) });
  say('starting clusters and daemons');
  const godwit = owned.use(await startGodwitCluster(join(directory, 'godwit'), guestImage));
  const libvirt =
    missing.libvirt === undefined ? owned.use(await startLibvirtPair(join(directory, 'libvirt'))) : undefined;
  const houses: Houses = {
    godwit: (arena) => godwit.session(arena),
    libvirt: libvirt && ((arena) => libvirt.session(arena)),
    nbdcopy: missing.nbdcopy === undefined,
  };
  const runId = randomBytes(8).toString('hex');
  const originals = new Map<number | undefined, string>();
  for (const [index, spec] of cases.entries()) {
    say(`case ${index + 1} of ${cases.length}: ${spec.title}`);
    const diskMib = spec.fill === undefined ? SMALL_DISK_MIB : options.diskMib;
    const original = originals.get(spec.fill) ?? (await makeOriginal(directory, spec, diskMib, runId));
    originals.set(spec.fill, original);
    const arena = { directory, guestImage, original, diskMib, spec, runId, say };
    guests = new AsyncDisposableStack();
    try {
      await runCase(arena, houses, guests, async (sample) => {
        samples.push(sample);
        // After every sample: what was measured survives whatever comes.
        await writeFile(resultsFile, `${JSON.stringify(results(), null, 1)}\n`);
      });
    } catch (error) {
      say(`case ${spec.name} ended early: ${describeError(error)}`);
    } finally {
      await guests.disposeAsync().catch((error: unknown) => say(`cannot clean up: ${describeError(error)}`));
    }
    if (owned.disposed) break;
  }
  return results();
}

async function makeOriginal(directory: string, spec: CaseSpec, diskMib: number, runId: string): Promise<string> {
  const path = join(directory, `original-${spec.fill ?? 'shared'}.img`);
  say(`making a disk of ${diskMib} MiB, ${spec.fill ?? 0} % full`);
  await makeDisk(path, diskMib, spec.fill ?? 0, runId);
  return path;
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (options.help || plan(options).length === 0 || !slotsFit(options.diskMib)) {
    process.stdout.write(usage);
    return options.help ? 0 : 1;
  }
  if (options.render) {
    const results = await readResults(resolve(options.results));
    if (results === undefined) throw new GodwitError('BENCH_USAGE', `There are no results in ${options.results}`);
    const report = renderReport(results);
    if (options.report !== undefined) await writeFile(options.report, report);
    process.stdout.write(report);
    return 0;
  }
  const load = loadavg()[0] ?? 0;
  if (load > BUSY_LOAD) say(`the machine is busy (load ${load.toFixed(2)}): the numbers will say little`);
  const parent = options.directory ?? tmpdir();
  await mkdir(parent, { recursive: true });
  // Short, because unix sockets have short names.
  const directory = await mkdtemp(join(resolve(parent), 'gwb-'));
  const owned = new AsyncDisposableStack();
  if (!options.keep) owned.defer(() => rm(directory, { recursive: true, force: true, maxRetries: 5 }));
  owned.defer(async () => {
    const ended = await endLeftOvers(directory);
    if (ended > 0) say(`ended ${ended} processes that were left over`);
  });
  let leaving: Promise<void> | undefined;
  const leave = (): Promise<void> =>
    (leaving ??= guests
      .disposeAsync()
      .catch((error: unknown) => say(`cannot clean up: ${describeError(error)}`))
      .then(() => owned.disposeAsync()));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => {
      say(`${signal}: cleaning up`);
      const exit = (): void => process.exit(1); // oxlint-disable-line unicorn/no-process-exit -- whatever is measured just now must not go on
      void leave().then(exit, exit);
    });
  try {
    const results = await measure(options, directory, owned);
    const report = renderReport(results);
    if (options.report !== undefined) await writeFile(options.report, report);
    process.stdout.write(`\n${report}`);
    const unmeasured = results.missing.length > 0 || results.samples.length === 0;
    return unmeasured ? 2 : 0;
  } finally {
    await leave();
  }
}

// Whoever reads along may leave.
process.stdout.on('error', () => undefined);
try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${describeError(error)}\n`);
  process.exitCode = 1;
}
