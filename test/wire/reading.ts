import { MessageReader } from '../../src/wire/message-reader.ts';
import type { WireValue } from '../../src/wire/values.ts';

/** What a reader delivered: a value, or the sentence of an error. */
export type Outcome = { readonly value: WireValue } | { readonly error: string };

export const value = (of: WireValue): Outcome => ({ value: of });
export const parseError = (sentence: string): Outcome => ({ error: `JSON parse error, ${sentence}` });
export const stray = (text: string): Outcome => parseError(`stray '${text}'`);
export const EXPECTING_VALUE = parseError('expecting value');

/** A reader together with everything that it delivered. */
export function recordingReader(): { reader: MessageReader; outcomes: Outcome[] } {
  const outcomes: Outcome[] = [];
  const reader = new MessageReader({
    value: (delivered) => outcomes.push({ value: delivered }),
    error: (desc) => outcomes.push({ error: desc }),
  });
  return { reader, outcomes };
}

/** All outcomes of a stream that comes in these chunks. */
export function readChunks(chunks: Iterable<Uint8Array>): Outcome[] {
  const { reader, outcomes } = recordingReader();
  for (const chunk of chunks) reader.push(chunk);
  return outcomes;
}

/** The bytes in pieces of `size`. */
export function* piecesOf(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/**
 * Reads the bytes whole, byte by byte (where the shortcut for whole messages never applies) and cut in two at every
 * place; throws if these do not all give the same.
 */
export function readEveryWay(bytes: Uint8Array, same: (a: Outcome[], b: Outcome[], how: string) => void): Outcome[] {
  const whole = readChunks([bytes]);
  same(readChunks(piecesOf(bytes, 1)), whole, 'byte by byte');
  for (let cut = 1; cut < bytes.length; cut++) {
    same(readChunks([bytes.subarray(0, cut), bytes.subarray(cut)]), whole, `cut at ${cut}`);
  }
  return whole;
}

/** Text of which every character is one byte: `latin1('\xff')`. */
export const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');
