import { isObject, jsonEqual } from '@godwit/core/json';

type Step = (values: unknown[]) => unknown[];

const FIELD = /^\.((?:\\.|[^.[\]\\])+)/s;
const WILDCARD = /^(?:\.\*|\[\*\])/;
const QUOTED = /^\[(?:'((?:\\.|[^'\\])*)'|"((?:\\.|[^"\\])*)")\]/;
const INDEX = /^\[(-?\d+)\]/;
const SLICE = /^\[(-?\d*):(-?\d*)\]/;
const FILTER =
  /^\[\?\(\s*@((?:\\.|"[^"]*"|'[^']*'|[^\s=!<>)'"\\])*)\s*(?:(==|!=|<=|>=|<|>)\s*("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^\s)]+)\s*)?\)\]/;

/**
 * Compiles the restricted JSONPath of printer columns and selectable fields: `.a.b`, `\.` inside keys, `['a']`, `[0]`,
 * `[-1]`, `[1:3]`, `[*]` and `[?(@.a=="b")]`. The result gives every match, in order. Undefined when it cannot be read.
 */
export function compileJsonPath(path: string): ((root: unknown) => unknown[]) | undefined {
  const steps: Step[] = [];
  let rest = path.trim();
  while (rest !== '') {
    const found = nextStep(rest);
    if (!found) return undefined;
    steps.push(found.step);
    rest = rest.slice(found.length);
  }
  return (root) => steps.reduce<unknown[]>((values, step) => step(values), [root]);
}

function nextStep(text: string): { step: Step; length: number } | undefined {
  let match = WILDCARD.exec(text);
  if (match) return { length: match[0].length, step: (values) => values.flatMap(children) };
  match = FIELD.exec(text) ?? QUOTED.exec(text);
  if (match) {
    const key = (match[1] ?? match[2] ?? '').replaceAll(/\\(.)/gs, '$1');
    return { length: match[0].length, step: (values) => values.flatMap((value) => member(value, key)) };
  }
  match = INDEX.exec(text);
  if (match) {
    const index = Number(match[1]);
    const pick = (value: unknown): unknown[] => {
      const item: unknown = Array.isArray(value) ? value.at(index) : undefined;
      return item === undefined ? [] : [item];
    };
    return { length: match[0].length, step: (values) => values.flatMap(pick) };
  }
  match = SLICE.exec(text);
  if (match) {
    const from = match[1] === '' ? 0 : Number(match[1]);
    const to = match[2] === '' ? undefined : Number(match[2]);
    return {
      length: match[0].length,
      step: (values) => values.flatMap((value) => (Array.isArray(value) ? value.slice(from, to) : [])),
    };
  }
  match = FILTER.exec(text);
  if (!match) return undefined;
  const [whole, inner = '', operator, literal] = match;
  const select = compileJsonPath(inner);
  if (!select) return undefined;
  const wanted = literal === undefined ? undefined : readLiteral(literal);
  const keeps = (item: unknown): boolean => {
    const values = select(item);
    if (operator === undefined) return values.length > 0;
    return values.length > 0 && compare(values[0], operator, wanted);
  };
  return {
    length: whole.length,
    step: (values) => values.flatMap((value) => (Array.isArray(value) ? value.filter(keeps) : [])),
  };
}

function children(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  return isObject(value) ? Object.values(value) : [];
}

function member(value: unknown, key: string): unknown[] {
  if (!isObject(value) || !Object.hasOwn(value, key)) return [];
  const found = value[key];
  return found === undefined || found === null ? [] : [found];
}

function readLiteral(text: string): unknown {
  const quote = text[0];
  if (quote === '"' || quote === "'") return text.slice(1, -1).replaceAll(/\\(.)/gs, '$1');
  if (text === 'true' || text === 'false') return text === 'true';
  return Number.isNaN(Number(text)) ? text : Number(text);
}

function compare(value: unknown, operator: string, wanted: unknown): boolean {
  if (operator === '==') return jsonEqual(value, wanted);
  if (operator === '!=') return !jsonEqual(value, wanted);
  const comparable =
    (typeof value === 'number' && typeof wanted === 'number') ||
    (typeof value === 'string' && typeof wanted === 'string');
  if (!comparable) return false;
  if (operator === '<') return value < wanted;
  if (operator === '<=') return value <= wanted;
  return operator === '>' ? value > wanted : value >= wanted;
}
