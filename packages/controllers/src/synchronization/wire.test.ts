import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeStatusRequest, decodeText, encodeStatusRequest, encodeText } from './wire.ts';

describe('messages of the synchronization service', () => {
  it('read back what was written', () => {
    fc.assert(
      fc.property(fc.string(), fc.string({ minLength: 1, maxLength: 5000 }), (migrationId, statusJson) => {
        expect(decodeStatusRequest(encodeStatusRequest({ migrationId, statusJson }))).toEqual({
          migrationId,
          statusJson,
        });
        expect(decodeText(encodeText(migrationId))).toBe(migrationId);
      }),
    );
  });
  it('have the bytes a protobuf library makes of them', () => {
    expect(encodeText('ab').toString('hex')).toBe('0a026162');
    expect(encodeStatusRequest({ migrationId: 'm', statusJson: '{}' }).toString('hex')).toBe('0a016d12040a027b7d');
  });
  it('skip fields they do not know', () => {
    const unknown = Buffer.from('1803' + '0a0178' + '2501020304' + '310102030405060708', 'hex');
    expect(decodeText(unknown)).toBe('x');
  });
  it.each(['0aff', '0a', '0b', '0a05616263', 'ffffffffffffffffffffff'])('refuse %s', (hex) => {
    expect(() => decodeText(Buffer.from(hex, 'hex'))).toThrow(expect.objectContaining({ code: 'SYNC_MALFORMED' }));
  });
  it('tell an absent status from an empty one', () => {
    expect(
      decodeStatusRequest(encodeStatusRequest({ migrationId: 'm', statusJson: undefined })).statusJson,
    ).toBeUndefined();
  });
});
