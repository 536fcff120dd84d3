import { SelectorError } from './errors.ts';

export interface FieldRequirement {
  readonly key: string;
  readonly operator: '=' | '!=';
  readonly value: string;
}

export interface FieldSelector {
  readonly requirements: readonly FieldRequirement[];
  /** `get` gives the text of a selectable field; an absent field is the empty string. */
  matches(get: (key: string) => string): boolean;
}

/**
 * Reads `key=value`, `key==value` and `key!=value` terms joined by commas (AND); `\,`, `\=` and `\\` stand for the
 * plain characters inside values. Throws `SelectorError` on bad syntax and on keys outside `allowedKeys`.
 */
export function parseFieldSelector(text: string, allowedKeys: readonly string[]): FieldSelector {
  const requirements = splitTerms(text).map((term): FieldRequirement => {
    const match = /^([^=!]+?)\s*(==|=|!=)(.*)$/s.exec(term);
    const key = match?.[1]?.trim();
    if (!match || !key) {
      throw new SelectorError(
        `Field selector "${text}": "${term}" is not <key>=<value>, <key>==<value> or <key>!=<value>`,
      );
    }
    if (!allowedKeys.includes(key))
      throw new SelectorError(`Field selector "${text}": "${key}" is not a known field selector`);
    return { key, operator: match[2] === '!=' ? '!=' : '=', value: unescape(match[3] ?? '', text) };
  });
  return {
    requirements,
    matches: (get) => requirements.every(({ key, operator, value }) => (get(key) === value) === (operator === '=')),
  };
}

function splitTerms(text: string): string[] {
  // A comma ends a term unless a backslash precedes it; empty terms are ignored.
  return [...text.matchAll(/(?:\\[\s\S]|[^,\\]|\\$)+/g)].map((match) => match[0].trim()).filter((term) => term !== '');
}

function unescape(value: string, text: string): string {
  return value.replaceAll(/\\([\s\S]?)|=/g, (whole, escaped: string | undefined) => {
    if (escaped !== undefined && ['\\', ',', '='].includes(escaped)) return escaped;
    throw new SelectorError(`Field selector "${text}": "${whole}" must be escaped with a backslash`);
  });
}
