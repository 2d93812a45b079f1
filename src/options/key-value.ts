/** One `key=value` of an argument. */
export interface KeyValue {
  readonly key: string;
  readonly value: string;
  /** As written, when it was a flag without `=`: `server` (on) or `nowait` (off). */
  readonly flag?: string;
}

interface Scanned {
  readonly text: string;
  readonly next: number;
}

/** Reads up to a comma that stands alone; two commas are one of the value. */
function scanValue(text: string, from: number): Scanned {
  let value = '';
  let at = from;
  while (at < text.length) {
    const character = text[at]!;
    if (character === ',') {
      if (text[at + 1] !== ',') break;
      at += 1;
    }
    value += character;
    at += 1;
  }
  return { text: value, next: at };
}

/** Where the key that starts at `from` ends, if a `=` comes before the next comma. */
function keyEnd(text: string, from: number): number | null {
  const comma = text.indexOf(',', from);
  const equals = text.indexOf('=', from);
  return equals >= 0 && (comma < 0 || equals < comma) ? equals : null;
}

function flagOf(name: string): KeyValue {
  if (name.startsWith('no')) return { key: name.slice(2), value: 'off', flag: name };
  return { key: name, value: 'on', flag: name };
}

/**
 * Splits `a=1,b=2` in the order written. `implied` is the key of a first element without `=`; elsewhere such an
 * element is a flag, `name` for `name=on` and `noname` for `name=off`. `,,` in a value is a comma.
 */
export function parseKeyValues(text: string, implied: string | null): KeyValue[] {
  const pairs: KeyValue[] = [];
  let at = 0;
  while (at < text.length) {
    const end = keyEnd(text, at);
    const value = scanValue(text, end === null ? at : end + 1);
    if (end !== null) pairs.push({ key: text.slice(at, end), value: value.text });
    else if (at === 0 && implied !== null) pairs.push({ key: implied, value: value.text });
    else pairs.push(flagOf(value.text));
    at = value.next + 1;
  }
  return pairs;
}

/** The warning that a flag draws, to stand behind the option as it was written. */
export function flagWarning(pair: KeyValue): string | null {
  if (pair.flag === undefined) return null;
  return `warning: short-form boolean option '${pair.flag}' deprecated\nPlease use ${pair.key}=${pair.value} instead`;
}
