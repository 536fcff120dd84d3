/** A patch that cannot be read (400), cannot be applied to this object (422), or breaks strategic merge rules (500). */
export class PatchError extends Error {
  readonly code: 400 | 422 | 500;

  constructor(code: 400 | 422 | 500, message: string) {
    super(message);
    this.name = 'PatchError';
    this.code = code;
  }
}
