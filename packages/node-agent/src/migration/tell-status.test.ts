import { expect, it } from 'vitest';
import { createStatusTelling } from './tell-status.ts';

it('what holds to the end is told again when what hindered meanwhile is overcome', () => {
  const told: (string | undefined)[] = [];
  const telling = createStatusTelling(({ hindrance }) => told.push(hindrance));
  telling.tell({ phase: { phase: 'Serving', undecided: false } });
  telling.tell({ standing: 'It is too late' });
  telling.hindered('The connection broke');
  telling.hindered(undefined);
  expect(told).toEqual([undefined, 'It is too late', 'The connection broke', 'It is too late']);
  expect(telling.status()).toEqual({ phase: 'Serving', undecided: false, hindrance: 'It is too late' });
});
