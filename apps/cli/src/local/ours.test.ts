import { expect, it } from 'vitest';
import { isOurs } from './ours.ts';

const root = '/home/u/my clusters';
const sockets = '/tmp/gw-0-1234abcd';
const ours = (...commandLine: string[]): boolean => isOurs(commandLine, [root, sockets]);

it.each([
  [
    'a daemon',
    ['/n/bin/node', '--flag', '/src/apps/server/src/node-agent.ts', '--config', `${root}/clusters/a/agent.json`],
  ],
  ['the supervisor', ['node', '/src/apps/cli/src/local/supervisor-main.ts', `${root}/`]],
  ['a guest by its disk', ['/usr/bin/qemu-system-x86_64', '-blockdev', `driver=file,filename=${root}/x/disk.img`]],
  ['a guest by its socket', ['qemu-system-aarch64', '-qmp', `unix:${sockets}/a/node1/qmp.sock,server=on`]],
])('%s is ours', (_, commandLine) => {
  expect(ours(...commandLine)).toBe(true);
});

it.each([
  ['a script of the user below the directory', ['node', `${root}/server.mjs`]],
  ['an editor that has it open', ['vim', `${root}/state.json`]],
  [
    'a daemon of another directory whose path ends the same way',
    ['node', '/src/apps/server/src/node-agent.ts', '--config', `/other${root}/clusters/a/agent.json`],
  ],
  [
    'a directory that begins with the same letters',
    ['node', '/src/apps/server/src/node-agent.ts', '--config', `${root}-2/clusters/a/agent.json`],
  ],
  ["somebody else's guest that names it in the middle", ['qemu-system-x86_64', '-drive', `file=/mnt${root}/disk.img`]],
])('%s is not', (_, commandLine) => {
  expect(ours(...commandLine)).toBe(false);
});

it('finds a directory with a comma, which QEMU wants doubled', () => {
  expect(isOurs(['qemu-system-x86_64', '-blockdev', 'driver=file,filename=/home/a,,b/disk.img'], ['/home/a,b'])).toBe(
    true,
  );
});
