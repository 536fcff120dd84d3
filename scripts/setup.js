// Makes this checkout ready to run: system programs, then npm packages. Idempotent; says nothing when there is nothing to do.
// Runs on Node >= 20 with nothing installed, so: plain JavaScript and node: modules only.
//
// Exit status: 0 ready; 2 wrong platform or Node version; 3 programs are missing and cannot be installed from here (the command
// that would is printed); otherwise that of the apt-get or npm that failed.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** What must be there, how to see it, and the Debian package that brings it. */
const needs = [
  { what: 'qemu-system-x86_64', present: () => onPath('qemu-system-x86_64'), package: 'qemu-system-x86' },
  { what: 'qemu-img', present: () => onPath('qemu-img'), package: 'qemu-utils' },
  { what: 'kubectl', present: () => onPath('kubectl'), package: 'kubernetes-client' },
  { what: 'gcc', present: () => onPath('gcc'), package: 'gcc' },
  { what: 'as and ld (binutils)', present: () => onPath('as') && onPath('ld'), package: 'binutils' },
  { what: 'a static C library (libc.a)', present: hasStaticLibc, package: 'libc6-dev' },
  { what: 'xorriso', present: () => ['xorriso', 'genisoimage', 'mkisofs'].some(onPath), package: 'xorriso' },
  { what: 'mtools', present: () => onPath('mformat') && onPath('mcopy'), package: 'mtools' },
  { what: 'syslinux', present: () => onPath('syslinux'), package: 'syslinux' },
  { what: 'the boot records of syslinux (mbr.bin)', present: hasBootRecord, package: 'syslinux-common' },
];

function onPath(program) {
  // The sbin directories are not on every user's PATH.
  for (const directory of [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']) {
    try {
      accessSync(join(directory, program), constants.X_OK);
      if (statSync(join(directory, program)).isFile()) return true;
    } catch {
      // not in this directory
    }
  }
  return false;
}

function hasStaticLibc() {
  const directories = ['/usr/lib', '/usr/lib64'];
  if (existsSync('/usr/lib'))
    directories.push(
      ...readdirSync('/usr/lib')
        .filter((name) => name.endsWith('-linux-gnu'))
        .map((name) => `/usr/lib/${name}`),
    );
  return directories.some((directory) => existsSync(`${directory}/libc.a`));
}

function hasBootRecord() {
  return ['/usr/lib/syslinux/mbr', '/usr/lib/SYSLINUX', '/usr/share/syslinux', '/usr/lib/syslinux/bios'].some(
    (directory) => existsSync(`${directory}/mbr.bin`),
  );
}

function stop(status, message) {
  process.stderr.write(`${message}\n`);
  process.exit(status);
}

function run(command, args, env = {}) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    env: { ...process.env, ...env },
  });
  if (error) process.stderr.write(`${command}: ${error.message}\n`);
  return status ?? 1;
}

function checkPlatform() {
  if (process.platform !== 'linux') stop(2, 'Godwit runs on Linux only.');
  if (Number(process.versions.node.split('.')[0]) < 20)
    stop(2, `Godwit needs Node 20 or later to start; this is ${process.version}.`);
}

function installPrograms() {
  const missing = needs.filter((need) => !need.present());
  if (missing.length === 0) return;
  const debian = existsSync('/etc/debian_version') && onPath('apt-get');
  if (!debian)
    stop(3, `Godwit needs these programs, please install them: ${missing.map((need) => need.what).join(', ')}`);
  const packages = missing.map((need) => need.package);
  const prefix = privilege();
  if (prefix === undefined) stop(3, `apt-get install --no-install-recommends ${packages.join(' ')}`);
  process.stderr.write(`Installing Debian packages: ${packages.join(' ')}\n`);
  const settings = { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };
  const apt = (...args) => {
    const [command, ...rest] = [
      ...prefix,
      'env',
      'DEBIAN_FRONTEND=noninteractive',
      'apt-get',
      '-o',
      'DPkg::Lock::Timeout=300',
      ...args,
    ];
    return run(command, rest, settings);
  };
  const install = () => apt('install', '-y', '-qq', '--no-install-recommends', ...packages);
  // Package lists may be absent or stale: refresh them only when the packages cannot be had without.
  if (!listsPresent() || install() !== 0) {
    apt('update', '-qq');
    const status = install();
    if (status !== 0) stop(status, `apt-get could not install: ${packages.join(' ')}`);
  }
  const still = needs.filter((need) => !need.present());
  if (still.length > 0) stop(3, `Still missing after the installation: ${still.map((need) => need.what).join(', ')}`);
}

/** What to put before apt-get, or undefined when this user may not install. Never asks for a password. */
function privilege() {
  if (process.getuid() === 0) return [];
  if (onPath('sudo') && spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0) return ['sudo', '-n'];
  return undefined;
}

function listsPresent() {
  try {
    return readdirSync('/var/lib/apt/lists').some((name) => name.endsWith('_Packages') || name.includes('_Packages.'));
  } catch {
    return false;
  }
}

/** Compares what npm wrote down when it installed with the lock file, entry by entry. */
function npmPackagesCurrent() {
  const read = (path) => {
    try {
      return JSON.parse(readFileSync(join(root, path), 'utf8')).packages ?? {};
    } catch {
      return undefined;
    }
  };
  const wanted = read('package-lock.json');
  const installed = read('node_modules/.package-lock.json');
  if (wanted === undefined) stop(2, 'package-lock.json is missing or unreadable: this is not a whole checkout.');
  if (installed === undefined) return false;
  const ownNode = `node_modules/node-linux-${process.arch}`;
  return Object.entries(wanted).every(([path, entry]) => {
    if (!path.startsWith('node_modules/')) return true;
    if (entry.link) return existsSync(join(root, path));
    const found = installed[path];
    if (found === undefined) return entry.optional === true && path !== ownNode;
    return found.version === entry.version && existsSync(join(root, path));
  });
}

function installNpmPackages() {
  if (npmPackagesCurrent()) return;
  process.stderr.write('Installing npm packages\n');
  const status = run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  if (status !== 0) stop(status, 'npm ci failed.');
}

checkPlatform();
installPrograms();
installNpmPackages();
