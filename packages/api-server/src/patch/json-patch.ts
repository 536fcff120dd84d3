import { isObject, jsonEqual } from '@godwit/core/json';
import { PatchError } from './errors.ts';

type Container = Record<string, unknown> | unknown[];

/**
 * Applies an RFC 6902 patch and returns a new document; the given one is not touched, also on failure.
 * Two leniencies, both used by KubeVirt: `test` against null passes when the member is absent, and `replace` of an
 * absent member adds it. Throws `PatchError` 400 for what is no patch, 422 for a failed `test` or a missing path.
 */
export function applyJsonPatch(doc: unknown, ops: unknown): unknown {
  if (!Array.isArray(ops)) throw new PatchError(400, 'A JSON patch must be an array of operations');
  // A holder makes the root an ordinary member, so that the path "" needs no special case.
  const holder: Record<string, unknown> = { root: structuredClone(doc) };
  for (const [index, op] of ops.entries()) applyOperation(holder, op, `JSON patch operation ${index}`);
  return holder['root'];
}

function applyOperation(holder: Record<string, unknown>, op: unknown, where: string): void {
  if (!isObject(op)) throw new PatchError(400, `${where} is not an object`);
  const kind = op['op'];
  const path = pointer(op['path'], where);
  switch (kind) {
    case 'add':
      return add(holder, path, value(op, where), where);
    case 'replace':
      return replace(holder, path, value(op, where), where);
    case 'remove':
      take(holder, path, where);
      return;
    case 'test': {
      const wanted = op['value'] ?? null;
      const found = read(holder, path);
      if (!jsonEqual(found ?? null, wanted)) throw new PatchError(422, `${where}: test of ${shown(path)} failed`);
      return;
    }
    case 'copy':
    case 'move': {
      const from = pointer(op['from'], where);
      const found = read(holder, from);
      if (found === undefined) throw new PatchError(422, `${where}: ${shown(from)} does not exist`);
      if (kind === 'copy') return add(holder, path, structuredClone(found), where);
      if (path.length > from.length && from.every((token, i) => token === path[i])) {
        throw new PatchError(422, `${where}: cannot move ${shown(from)} into itself`);
      }
      take(holder, from, where);
      return add(holder, path, found, where);
    }
    default:
      throw new PatchError(422, `${where}: unknown operation ${JSON.stringify(kind)}`);
  }
}

function value(op: Record<string, unknown>, where: string): unknown {
  if (op['value'] === undefined) throw new PatchError(422, `${where} has no value`);
  return structuredClone(op['value']);
}

/** Tokens of a JSON pointer below the holder. */
function pointer(text: unknown, where: string): string[] {
  if (typeof text !== 'string') throw new PatchError(422, `${where} has no path`);
  if (text !== '' && !text.startsWith('/')) throw new PatchError(422, `${where}: path ${text} does not start with "/"`);
  const tokens = text.split('/').map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
  if (tokens.includes('__proto__')) throw new PatchError(422, `${where}: path ${text} is not allowed`);
  return ['root', ...tokens.slice(1)];
}

function add(holder: Container, path: string[], item: unknown, where: string): void {
  const { parent, last } = parentOf(holder, path, where);
  if (!Array.isArray(parent)) {
    parent[last] = item;
    return;
  }
  parent.splice(last === '-' ? parent.length : index(last, parent.length, where), 0, item);
}

function replace(holder: Container, path: string[], item: unknown, where: string): void {
  const { parent, last } = parentOf(holder, path, where);
  if (Array.isArray(parent)) parent[index(last, parent.length - 1, where)] = item;
  else parent[last] = item;
}

function take(holder: Container, path: string[], where: string): void {
  const { parent, last } = parentOf(holder, path, where);
  if (Array.isArray(parent)) {
    parent.splice(index(last, parent.length - 1, where), 1);
    return;
  }
  if (!Object.hasOwn(parent, last)) throw new PatchError(422, `${where}: ${shown(path)} does not exist`);
  delete parent[last];
}

function parentOf(holder: Container, path: string[], where: string): { parent: Container; last: string } {
  const parent = read(holder, path.slice(0, -1));
  if (!isObject(parent) && !Array.isArray(parent)) {
    throw new PatchError(422, `${where}: the parent of ${shown(path)} does not exist`);
  }
  // A path always holds at least the root's own name.
  return { parent, last: path.at(-1) ?? '' };
}

/** The value at a path, or undefined when there is none. */
function read(holder: unknown, path: readonly string[]): unknown {
  let here = holder;
  for (const token of path) {
    if (Array.isArray(here)) here = /^(?:0|[1-9]\d*)$/.test(token) ? here[Number(token)] : undefined;
    else if (isObject(here) && Object.hasOwn(here, token)) here = here[token];
    else return undefined;
  }
  return here;
}

function index(token: string, max: number, where: string): number {
  if (!/^(?:0|[1-9]\d*)$/.test(token) || Number(token) > max) {
    throw new PatchError(422, `${where}: array index ${token} is out of range`);
  }
  return Number(token);
}

function shown(path: readonly string[]): string {
  return `/${path.slice(1).join('/')}`;
}
