import { expect, it } from 'vitest';
import { lastWords } from './last-words.ts';

const info = JSON.stringify({ level: 30, msg: 'starting' });

it('are the last error that was logged, with its cause', () => {
  const error = JSON.stringify({ level: 50, msg: 'cannot listen', error: 'listen EADDRINUSE: 127.0.0.1:6443' });
  expect(lastWords(`${info}\n${error}\n${info}\n`)).toBe('cannot listen: listen EADDRINUSE: 127.0.0.1:6443');
});

it('are the error that nobody caught', () => {
  const log = `${info}\nnode:net:1\n      throw new Error();\n\nError: listen EADDRINUSE: address already in use\n    at Server.listen\n\nNode.js v24\n`;
  expect(lastWords(log)).toBe('Error: listen EADDRINUSE: address already in use');
});

it('are the last line when no error is there, and nothing of an empty log', () => {
  expect(lastWords('killed by nobody\n')).toBe('killed by nobody');
  expect(lastWords('')).toBe('');
});
