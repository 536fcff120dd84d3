/** Strings, and what structures a document; other literals are of no interest. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],]/g;

interface Open {
  readonly path: string;
  /** Keys seen so far; undefined in a list. */
  readonly keys: Set<string> | undefined;
  expectsKey: boolean;
  /** Last key, or index. */
  at: string | number;
}

/** Dotted paths of the fields that a JSON document, known to be valid, sets more than once. */
export function duplicateFields(text: string): string[] {
  const found: string[] = [];
  const open: Open[] = [];
  for (const [token] of text.matchAll(TOKEN)) {
    const top = open.at(-1);
    if (token === '{') open.push({ path: pathBelow(top), keys: new Set(), expectsKey: true, at: '' });
    else if (token === '[') open.push({ path: pathBelow(top), keys: undefined, expectsKey: false, at: 0 });
    else if (token === '}' || token === ']') open.pop();
    else if (token === ',') {
      if (top && typeof top.at === 'number') top.at += 1;
      else if (top) top.expectsKey = true;
    } else if (top?.keys && top.expectsKey) {
      top.at = String(JSON.parse(token));
      top.expectsKey = false;
      if (top.keys.has(top.at)) found.push(pathBelow(top));
      top.keys.add(top.at);
    }
  }
  return found;
}

function pathBelow(open: Open | undefined): string {
  if (!open) return '';
  if (typeof open.at === 'number') return `${open.path}[${open.at}]`;
  return open.path === '' ? open.at : `${open.path}.${open.at}`;
}
