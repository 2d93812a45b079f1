import { formatFloat } from './float.ts';
import { InWireOrder, membersInWireOrder } from './member-order.ts';
import { isValidCodePoint } from './unicode.ts';
import { isWireObject, WireFloat, type WireOutput, type WireValue } from './values.ts';

const INT64_LEAST = -(2 ** 63);
const UINT64_END = 2 ** 64;
const INDENT = '    ';

/** One message as text, without an end of line. Pure ASCII; `pretty` puts every member and element on its own line. */
export function encode(value: WireOutput, pretty = false): string {
  return pretty ? prettyText(value, '\n', false) : compactText(value, false);
}

/** One message with its end of line. Every line end is CR LF, those inside a pretty message too. */
export function encodeLine(value: WireOutput, pretty = false): string {
  return pretty ? `${encode(value, true).replaceAll('\n', '\r\n')}\r\n` : `${compactText(value, false)}\r\n`;
}

/**
 * A parsed value as QEMU echoes it (a request's `id`): the members of every object in it are written in the order of
 * its dictionary. The members of everything else are written in the order in which they are.
 */
export function canonicalOrder(value: WireValue): WireOutput {
  return Array.isArray(value) || isWireObject(value) ? new InWireOrder(value) : value;
}

function compactText(value: unknown, wireOrder: boolean): string {
  switch (typeof value) {
    case 'string':
      return quote(value);
    case 'number':
      return numberText(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'bigint':
      return value.toString();
    case 'object':
      break;
    default:
      throw new TypeError(`a ${typeof value} cannot be sent as JSON`);
  }
  if (value === null) return 'null';
  if (Array.isArray(value)) return compactArray(value, wireOrder);
  if (value instanceof WireFloat) return formatFloat(value.value);
  if (value instanceof InWireOrder) return compactText(value.value, true);
  return compactObject(value as Record<string, unknown>, wireOrder);
}

function compactArray(items: readonly unknown[], wireOrder: boolean): string {
  let text = '[';
  for (let index = 0; index < items.length; index++) {
    if (index > 0) text += ', ';
    text += compactText(items[index], wireOrder);
  }
  return `${text}]`;
}

function compactObject(object: Record<string, unknown>, wireOrder: boolean): string {
  const names = memberNames(object, wireOrder);
  let text = '{';
  let separator = '';
  for (let index = 0; index < names.length; index++) {
    const name = names[index]!;
    const value = object[name];
    if (value === undefined) continue;
    text += separator + memberLabel(name) + compactText(value, wireOrder);
    separator = ', ';
  }
  return `${text}}`;
}

/** `line` is a line feed and the indentation of the line that `value` starts in. */
function prettyText(value: unknown, line: string, wireOrder: boolean): string {
  if (value instanceof InWireOrder) return prettyText(value.value, line, true);
  if (typeof value !== 'object' || value === null || value instanceof WireFloat) return compactText(value, wireOrder);
  const inner = line + INDENT;
  const isArray = Array.isArray(value);
  const parts: string[] = [];
  if (isArray) {
    for (const item of value as readonly unknown[]) parts.push(inner + prettyText(item, inner, wireOrder));
  } else {
    const object = value as Record<string, unknown>;
    for (const name of memberNames(object, wireOrder)) {
      const member = object[name];
      if (member !== undefined) parts.push(inner + memberLabel(name) + prettyText(member, inner, wireOrder));
    }
  }
  // An empty container takes two lines as well.
  return (isArray ? '[' : '{') + parts.join(',') + line + (isArray ? ']' : '}');
}

function memberNames(object: Record<string, unknown>, wireOrder: boolean): readonly string[] {
  return wireOrder ? membersInWireOrder(object as Record<string, WireValue>) : Object.keys(object);
}

/** The same names are sent over and over; the bound is there since clients choose those of an id. */
const labels = new Map<string, string>();
const LABELS_MAX = 4096;

function memberLabel(name: string): string {
  const known = labels.get(name);
  if (known !== undefined) return known;
  const label = `${quote(name)}: `;
  if (labels.size < LABELS_MAX && name.length < 64) labels.set(name, label);
  return label;
}

/**
 * A whole number within int64 or uint64 is printed as an integer even where a double is no longer exact for all of
 * them, since that is what it stands for; anything else as a float.
 */
function numberText(value: number): string {
  if (Number.isSafeInteger(value)) return Object.is(value, -0) ? '0' : String(value);
  if (Number.isInteger(value) && value >= INT64_LEAST && value < UINT64_END) return BigInt(value).toString();
  return formatFloat(new WireFloat(value).value);
}

const PLAIN = /^[ !#-[\]-~]*$/;
const ESCAPED = /["\\]|[^ -~]/gu;
const shortEscapes: Record<string, string> = {
  '"': '\\"',
  '\\': '\\\\',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
};

function quote(text: string): string {
  return isPlain(text) ? `"${text}"` : `"${text.replace(ESCAPED, escape)}"`;
}

/** True when nothing in the text needs an escape. For short texts a loop is faster than entering the regexp. */
function isPlain(text: string): boolean {
  if (text.length > 32) return PLAIN.test(text);
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code < 0x20 || code > 0x7e || code === 0x22 || code === 0x5c) return false;
  }
  return true;
}

/** One code point, or an unpaired surrogate, as an escape; what is no character becomes U+FFFD. */
function escape(char: string): string {
  const short = shortEscapes[char];
  if (short !== undefined) return short;
  if (!isValidCodePoint(char.codePointAt(0)!)) return '\\uFFFD';
  let text = '';
  for (let index = 0; index < char.length; index++) {
    text += `\\u${char.charCodeAt(index).toString(16).toUpperCase().padStart(4, '0')}`;
  }
  return text;
}
