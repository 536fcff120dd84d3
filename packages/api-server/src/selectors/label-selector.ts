import { SelectorError } from './errors.ts';

type Labels = Readonly<Record<string, string>>;
type Test = (labels: Labels) => boolean;

const TOKEN = /\s*(==|!=|=|!|,|\(|\)|>|<|[^\s=!,()<>]+)/y;
const NAME = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)$/;
const PREFIX = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;
const INTEGER = /^[+-]?\d+$/;
const SYMBOLS = new Set(['==', '!=', '=', '!', ',', '(', ')', '>', '<']);

/**
 * Compiles a label selector: `k`, `!k`, `k=v`, `k==v`, `k!=v`, `k in (a,b)`, `k notin (a,b)`, `k>n`, `k<n`, joined by
 * commas (AND). Empty text matches everything; `!=` and `notin` also match objects without the label.
 * Throws `SelectorError` on anything else.
 */
export function parseLabelSelector(text: string): (labels: Record<string, string> | undefined) => boolean {
  const tokens = tokenize(text);
  const tests: Test[] = [];
  let at = 0;
  const next = (): string => tokens[at++] ?? '';
  const fail = (found: string, wanted: string): never => {
    throw new SelectorError(
      `Label selector "${text}": found ${found === '' ? 'the end' : `"${found}"`}, expected ${wanted}`,
    );
  };
  const word = (wanted: string): string => {
    const token = next();
    return token === '' || SYMBOLS.has(token) ? fail(token, wanted) : token;
  };

  /** One value after an operator; nothing before the comma or the end means the empty string. */
  const singleValue = (): string => {
    const token = tokens[at];
    return token === undefined || token === ',' ? '' : checkValue(word('a value'), text);
  };
  const valueSet = (): Set<string> => {
    const open = next();
    if (open !== '(') fail(open, '"("');
    const values = new Set<string>();
    for (;;) {
      const token = tokens[at];
      if (token === ',' || token === ')') values.add('');
      else values.add(checkValue(word('a value or ")"'), text));
      const separator = next();
      if (separator === ')') return values;
      if (separator !== ',') fail(separator, '"," or ")"');
    }
  };
  const bound = (): number => {
    const value = word('an integer');
    return INTEGER.test(value) ? Number(value) : fail(value, 'an integer');
  };

  const requirement = (): Test => {
    if (tokens[at] === '!') {
      at += 1;
      const key = checkKey(word('a label key'), text);
      return (labels) => !Object.hasOwn(labels, key);
    }
    const key = checkKey(word('a label key'), text);
    const operator = tokens[at];
    if (operator === undefined || operator === ',') return (labels) => Object.hasOwn(labels, key);
    at += 1;
    if (operator === '=' || operator === '==') {
      const value = singleValue();
      return (labels) => labels[key] === value;
    }
    if (operator === '!=') {
      const value = singleValue();
      return (labels) => labels[key] !== value;
    }
    if (operator === 'in' || operator === 'notin') {
      const values = valueSet();
      const wanted = operator === 'in';
      return (labels) => (Object.hasOwn(labels, key) && values.has(labels[key] ?? '')) === wanted;
    }
    if (operator === '>' || operator === '<') {
      const limit = bound();
      return (labels) => {
        const value = labels[key];
        if (value === undefined || !INTEGER.test(value)) return false;
        return operator === '>' ? Number(value) > limit : Number(value) < limit;
      };
    }
    return fail(operator, 'one of = == != in notin > <');
  };

  if (tokens.length > 0) {
    for (;;) {
      tests.push(requirement());
      if (at >= tokens.length) break;
      const separator = next();
      if (separator !== ',') fail(separator, '"," or the end');
    }
  }
  return (labels = {}) => tests.every((test) => test(labels));
}

function tokenize(text: string): string[] {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  // The expression matches any non-space character, so it stops only at the end.
  for (let match = TOKEN.exec(text); match; match = TOKEN.exec(text)) tokens.push(match[1] ?? '');
  return tokens;
}

function checkKey(key: string, text: string): string {
  const slash = key.indexOf('/');
  const prefix = slash < 0 ? undefined : key.slice(0, slash);
  const valid =
    NAME.test(key.slice(slash + 1)) && (prefix === undefined || (prefix.length <= 253 && PREFIX.test(prefix)));
  if (!valid) throw new SelectorError(`Label selector "${text}": "${key}" is not a valid label key`);
  return key;
}

function checkValue(value: string, text: string): string {
  if (!NAME.test(value)) throw new SelectorError(`Label selector "${text}": "${value}" is not a valid label value`);
  return value;
}
