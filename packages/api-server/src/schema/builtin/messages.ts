import { accessMessages } from './access.ts';
import { coreClusterMessages } from './core-cluster.ts';
import { corePodMessages } from './core-pod.ts';
import { coreVolumesMessages } from './core-volumes.ts';
import { extensionsMessages } from './extensions.ts';
import { metaMessages } from './meta.ts';
import { workloadsMessages } from './workloads.ts';

/*
 * The tables list every message of the built-in kinds once; JSON schemas, patch rules and protobuf decoding are all
 * derived from them. `@core` starts a package. A message is its name (`%`: atomic for server-side apply) and its fields,
 * `name:number:type` with the protobuf field number; lines that begin with a space go on with the message above.
 *
 * Types: s string, b boolean, i32, i64, f64, bytes (base64 in JSON), time, micro (six fractional digits), qty
 * (quantity), ios (integer or string), raw (any object), fields (managed field set), strs (list of strings as a map
 * value), jsonschema, or a message of the same package, of meta, or of the package named before a dot.
 * `[]T` is a list, `{}T` a map with string keys. A field called `~` has its members inlined.
 *
 * Marks after the type, in this order:
 *   <x> default x of a string (only where lists are keyed by it)
 *   ?   absence and the zero value differ          !   written to JSON even when it has the zero value
 *   *   as `!`, and required                       @k  strategic merge by key k (`@` alone: of plain values)
 *   ^   strategic merge knows $retainKeys          =   replaced as a whole by a strategic merge
 *   +k  list keyed by k (repeated for more keys)   #   list that is a set             %  atomic list or map
 */

/** `name` is `package.Message`. */
export interface Message {
  readonly name: string;
  readonly atomic: boolean;
  readonly fields: readonly MessageField[];
}

export interface MessageField {
  /** JSON name; `~` when the members of the message type belong to the parent. */
  readonly name: string;
  readonly number: number;
  readonly shape: 'one' | 'list' | 'map';
  /** A scalar's short name, or a full message name with a dot. */
  readonly type: string;
  /** Default value of a string. */
  readonly fallback: string | undefined;
  readonly pointer: boolean;
  readonly always: boolean;
  readonly required: boolean;
  /** Empty for plain values. */
  readonly mergeKey: string | undefined;
  readonly retainKeys: boolean;
  readonly replace: boolean;
  readonly listType: 'atomic' | 'set' | 'map' | undefined;
  readonly listKeys: readonly string[];
}

const SCALARS = new Set('s b i32 i64 f64 bytes time micro qty ios raw fields strs jsonschema'.split(' '));
const FIELD = /^([^:]+):(\d+):(\[\]|\{\})?([\w.]+)(?:<(\w+)>)?([?!*]?)(@\w*)?(\^?)(=?)((?:\+\w+)*)([#%]?)$/;

let parsed: Map<string, Message> | undefined;

/** The message called `package.Message`. Parsed on first use, then kept: the tables are constant. */
export function messageOf(name: string): Message | undefined {
  parsed ??= parse(
    [
      metaMessages,
      coreVolumesMessages,
      corePodMessages,
      coreClusterMessages,
      workloadsMessages,
      accessMessages,
      extensionsMessages,
    ].join('\n'),
  );
  return parsed.get(name);
}

function parse(text: string): Map<string, Message> {
  const bodies = new Map<string, string>();
  let pkg = '';
  for (const line of text.replaceAll('\n ', ' ').split('\n')) {
    if (line.startsWith('@')) pkg = line.slice(1);
    else if (line !== '') bodies.set(`${pkg}.${line.split(' ', 1)[0]?.replace('%', '')}`, line);
  }
  const messages = new Map<string, Message>();
  for (const [name, body] of bodies) {
    const [title = '', ...fields] = body.split(' ');
    const home = name.slice(0, name.indexOf('.'));
    messages.set(name, {
      name,
      atomic: title.endsWith('%'),
      fields: fields.map((field) => parseField(field, (type) => resolve(type, home, bodies))),
    });
  }
  return messages;
}

function parseField(text: string, resolveType: (type: string) => string): MessageField {
  const match = FIELD.exec(text);
  if (!match) throw new Error(`Message table: cannot read field ${text}`);
  const [, name = '', number, shape, type = '', fallback, presence, mergeKey, retain, replace, keys, atomicity] = match;
  const listKeys = keys ? keys.slice(1).split('+') : [];
  return {
    name,
    number: Number(number),
    shape: shape === '[]' ? 'list' : shape === '{}' ? 'map' : 'one',
    type: resolveType(type),
    fallback,
    pointer: presence === '?',
    always: presence === '!' || presence === '*',
    required: presence === '*',
    mergeKey: mergeKey?.slice(1),
    retainKeys: retain === '^',
    replace: replace === '=',
    listType: listKeys.length > 0 ? 'map' : atomicity === '#' ? 'set' : atomicity === '%' ? 'atomic' : undefined,
    listKeys,
  };
}

function resolve(type: string, home: string, known: ReadonlyMap<string, string>): string {
  if (SCALARS.has(type)) return type;
  const name = [type, `${home}.${type}`, `meta.${type}`].find((candidate) => known.has(candidate));
  if (name === undefined) throw new Error(`Message table: unknown type ${type} in package ${home}`);
  return name;
}
