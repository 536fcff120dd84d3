import { expect, it } from 'vitest';
import { invalid } from './refuse.ts';

it('names object and fields both in the message and in the details, which is all that kubectl shows', () => {
  const error = invalid({ kind: 'VirtualMachine', name: 'a' }, [{ field: 'spec.x', message: 'give one' }]);
  expect(error.message).toBe('VirtualMachine "a" is invalid: spec.x: give one');
  expect(error.toStatus()).toMatchObject({
    code: 422,
    details: { kind: 'VirtualMachine', name: 'a', causes: [{ field: 'spec.x', message: 'give one' }] },
  });
});
