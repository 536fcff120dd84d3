import { describe, expect, it } from 'vitest';
import { matchesLabelSelector } from './match-labels.ts';

describe('label selector objects', () => {
  const labels = { app: 'web', tier: 'front' };
  it('needs all of its parts', () => {
    expect(matchesLabelSelector({}, labels)).toBe(true);
    expect(matchesLabelSelector({ matchLabels: { app: 'web', tier: 'front' } }, labels)).toBe(true);
    expect(matchesLabelSelector({ matchLabels: { app: 'web', tier: 'back' } }, labels)).toBe(false);
    expect(matchesLabelSelector({ matchLabels: { app: 'web' } })).toBe(false);
  });
  it.each([
    [{ key: 'app', operator: 'In', values: ['web', 'db'] }, true],
    [{ key: 'app', operator: 'In', values: ['db'] }, false],
    [{ key: 'absent', operator: 'In', values: [''] }, false],
    [{ key: 'app', operator: 'NotIn', values: ['web'] }, false],
    [{ key: 'absent', operator: 'NotIn', values: ['x'] }, true],
    [{ key: 'app', operator: 'Exists' }, true],
    [{ key: 'absent', operator: 'Exists' }, false],
    [{ key: 'absent', operator: 'DoesNotExist' }, true],
    [{ key: 'app', operator: 'DoesNotExist' }, false],
  ] as const)('%j is %s', (expression, expected) => {
    const { key, operator } = expression;
    const values = 'values' in expression ? [...expression.values] : [];
    expect(matchesLabelSelector({ matchExpressions: [{ key, operator, values }] }, labels)).toBe(expected);
  });
});
