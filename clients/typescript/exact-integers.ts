/**
 * 64-bit integers through `ndjson`, whose JSON.parse would round them. Before it, a transform dresses every integer
 * of 16 digits or more as a marked string; after it, `undress` turns the marked strings into bigints. A string of
 * the peer's that happens to begin with the mark is escaped the same way, so that nothing is ever mistaken.
 */
import { Transform, type TransformCallback } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';

/** U+E000, a private-use character: QMP output is ASCII, so it can only come from an escape, and those we mark too. */
const mark = '\ue000';

// A string is matched first, as a whole, so that digits inside strings are never touched; nor are those of a float.
const token = /"(?:[^"\\]|\\.)*"|(?<![\w.+-])-?\d{16,}(?![\d.eE])/g;

function dress(text: string): string {
  return text.replace(token, (found) => {
    if (!found.startsWith('"')) return `"${mark}${found}"`;
    return found.startsWith('"\\uE000') || found.startsWith('"\\ue000') ? `"${mark}${found.slice(1)}` : found;
  });
}

/** Dresses whole lines; an unfinished line waits for its end. */
export class DressIntegers extends Transform {
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';

  constructor() {
    super({ encoding: 'utf8' });
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const text = this.#rest + this.#decoder.write(chunk);
    const end = text.lastIndexOf('\n') + 1;
    this.#rest = text.slice(end);
    done(null, end > 0 ? dress(text.slice(0, end)) : undefined);
  }

  override _flush(done: TransformCallback): void {
    done(null, dress(this.#rest + this.#decoder.end()));
  }
}

/** The value with marked strings as the bigints that they stand for; changes arrays and objects in place. */
export function undress(value: unknown): unknown {
  if (typeof value === 'string') {
    if (!value.startsWith(mark)) return value;
    if (value.startsWith(mark + mark)) return value.slice(1);
    const integer = BigInt(value.slice(1));
    return integer === BigInt.asIntN(54, integer) ? Number(integer) : integer;
  }
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) value[index] = undress(item);
  } else if (typeof value === 'object' && value !== null) {
    const object = value as Record<string, unknown>;
    for (const key of Object.keys(object)) object[key] = undress(object[key]);
  }
  return value;
}

/** JSON text of a request in which bigints are written as plain digits. */
export function stringifyExact(value: unknown): string {
  const text = JSON.stringify(value, (_key, item: unknown) => {
    if (typeof item === 'bigint') return `${mark}${item}`;
    return typeof item === 'string' && item.startsWith(mark) ? mark + item : item;
  });
  return text.replace(
    new RegExp(`"${mark}(?:(-?\\d+)|(${mark}(?:[^"\\\\]|\\\\.)*))"`, 'g'),
    (_all, digits?: string, rest?: string) => digits ?? `"${rest ?? ''}"`,
  );
}
