import { CommandError } from '../core/errors.ts';

/** How bytes are written in JSON strings. */
export type DataEncoding = 'base64' | 'hex';

export function encodeData(bytes: Uint8Array, encoding: DataEncoding): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString(encoding);
}

/** @throws CommandError when `text`, the value of `parameter`, is not wholly in that encoding */
export function decodeData(text: string, encoding: DataEncoding, parameter = 'data'): Uint8Array {
  const bytes = Buffer.from(text, encoding);
  // Buffer stops at, or skips, what it does not understand; only the round trip tells. Case and padding may differ.
  const faithful =
    encoding === 'hex'
      ? bytes.toString('hex') === text.toLowerCase()
      : bytes.toString('base64').replace(/=+$/, '') === text.replace(/=+$/, '');
  if (!faithful) throw new CommandError(`Parameter '${parameter}' is not valid ${encoding}`);
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
