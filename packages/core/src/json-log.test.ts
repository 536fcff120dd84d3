import { expect, test } from 'vitest';
import { createJsonLog } from './json-log.ts';
import { GodwitError } from './errors.ts';

function logged(level?: string) {
  const lines: string[] = [];
  const log = createJsonLog({ fields: { component: 'x' }, level, write: (line) => lines.push(line), now: () => 7 });
  // The cast is safe: every line is a JSON object, or the parse fails the test.
  return { log, read: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>), lines };
}

test('a line has level, time, bound fields, own fields and the message', () => {
  const { log, read, lines } = logged();
  log.child({ cluster: 'alpha' }).warn({ Node: 'node1', gone: undefined }, 'node is late');
  expect(read()).toEqual([
    { level: 40, time: 7, component: 'x', cluster: 'alpha', Node: 'node1', msg: 'node is late' },
  ]);
  expect(lines[0]).toMatch(/\}\n$/);
});

test('the inner fields win over bound ones', () => {
  const { log, read } = logged();
  log.child({ component: 'y' }).info({}, 'one');
  log.info({ component: 'z' }, 'two');
  expect(read().map((line) => line['component'])).toEqual(['y', 'z']);
});

test.each([
  ['debug', ['d', 'i', 'w', 'e']],
  [undefined, ['i', 'w', 'e']],
  ['no such level', ['i', 'w', 'e']],
  ['toString', ['i', 'w', 'e']],
  ['error', ['e']],
  ['silent', []],
])('level %s', (level, expected) => {
  const { log, read } = logged(level);
  log.debug({}, 'd');
  log.info({}, 'i');
  log.warn({}, 'w');
  log.error({}, 'e');
  expect(read().map((line) => line['msg'])).toEqual(expected);
});

test('errors keep message, stack and code; numbers beyond JSON are texts', () => {
  const { log, read } = logged();
  log.error({ err: new GodwitError('BROKEN', 'it broke'), bytes: 2n ** 60n }, 'failed');
  const [line] = read();
  expect(line).toMatchObject({
    err: { code: 'BROKEN', message: 'it broke', stack: expect.stringContaining('json-log.test') },
    bytes: '1152921504606846976',
  });
});

test('what JSON cannot hold is left out and named, never thrown', () => {
  const { log, read } = logged();
  const loop: Record<string, unknown> = {};
  loop['self'] = loop;
  log.info({ loop, pid: 3 }, 'odd');
  expect(read()).toEqual([{ level: 30, time: 7, component: 'x', pid: 3, msg: 'odd', unloggable: ['loop'] }]);
});
