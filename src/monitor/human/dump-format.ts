import { UsageError } from './usage-error.ts';

/** How values are shown: hexadecimal, octal, unsigned, signed, as characters, or as instructions. */
type Radix = 'x' | 'o' | 'u' | 'd' | 'c' | 'i';

/** What `/4gx` says. */
export interface DumpFormat {
  /** How many values. */
  readonly count: number;
  readonly radix: Radix;
  /** Bytes of a value: 1, 2, 4 or 8. */
  readonly size: number;
}

const sizes: ReadonlyMap<string, number> = new Map([
  ['b', 1],
  ['h', 2],
  ['w', 4],
  ['g', 8],
  ['L', 8],
]);
const radixes = 'oduxic';

/** Reads formats; what one leaves out is as in the last one, whatever command that was for. */
export class DumpFormats {
  #radix: Radix = 'x';
  #size = 4;

  /** Reads a format, if there is one, at the start of `text`. @throws UsageError with QEMU's sentence */
  read(text: string): { format: DumpFormat; rest: string } {
    const start = text.trimStart();
    if (!start.startsWith('/'))
      return { format: { count: 1, radix: this.#radix, size: this.#sizeOr(null) }, rest: start };
    const word = /^\/(\d*)(\S*)\s*/.exec(start)!;
    let radix: Radix | null = null;
    let size: number | null = null;
    for (const letter of word[2]!) {
      const bytes = sizes.get(letter);
      if (bytes !== undefined) size = bytes;
      else if (radixes.includes(letter)) radix = letter as Radix;
      else throw new UsageError(`invalid char in format: '${letter}'`);
    }
    this.#radix = radix ?? this.#radix;
    if (this.#radix !== 'i') this.#size = size ?? this.#size;
    const count = word[1] === '' ? 1 : Number(word[1]);
    return { format: { count, radix: this.#radix, size: this.#sizeOr(size) }, rest: start.slice(word[0].length) };
  }

  /** Instructions have no size; one byte stands for that. */
  #sizeOr(given: number | null): number {
    return this.#radix === 'i' ? (given ?? 1) : this.#size;
  }
}

/** A character as the monitor shows it. */
function characterText(byte: number): string {
  const named: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', "'": "\\'", '\\': '\\\\' };
  const character = String.fromCharCode(byte);
  if (named[character] !== undefined) return `'${named[character]}'`;
  return byte >= 0x20 && byte <= 0x7e ? `'${character}'` : `'\\x${byte.toString(16).padStart(2, '0')}'`;
}

/** One value of a dump, as wide as its size can be. */
function valueText(value: bigint, radix: Radix, size: number): string {
  const bits = size * 8;
  switch (radix) {
    case 'o':
      return (value === 0n ? '0' : `0${value.toString(8)}`).padStart(Math.ceil(bits / 3), ' ');
    case 'u':
    case 'd': {
      const shown = radix === 'd' && size === 8 ? BigInt.asIntN(64, value) : value;
      return shown.toString().padStart(Math.ceil((bits * 10) / 33), ' ');
    }
    case 'c':
      return characterText(Number(value));
    default:
      return `0x${value.toString(16).padStart(bits / 4, '0')}`;
  }
}

/** One number as `print` shows it. */
export function numberText(value: bigint, radix: Radix): string {
  const unsigned = BigInt.asUintN(64, value);
  switch (radix) {
    case 'x':
      return `0x${unsigned.toString(16)}`;
    case 'o':
      return unsigned === 0n ? '0' : `0${unsigned.toString(8)}`;
    case 'u':
      return unsigned.toString();
    case 'c':
      return characterText(Number(unsigned & 0xffn));
    default:
      return value.toString();
  }
}

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

/** Reads a line's bytes; null where nothing answers. */
export type ReadBytes = (address: bigint, length: number) => Uint8Array | null;

/** The text of `xp`: lines of 16 bytes, or of 8 where the size asked for is one byte; characters are bytes always. */
export function dumpText(address: bigint, format: DumpFormat, read: ReadBytes): string {
  const { radix } = format;
  const length = format.size * format.count;
  const size = radix === 'c' ? 1 : format.size;
  const width = format.size === 1 ? 8 : 16;
  let text = '';
  for (let done = 0; done < length; done += width) {
    const at = BigInt.asUintN(64, address + BigInt(done));
    text += `${at.toString(16).padStart(16, '0')}:`;
    const bytes = read(at, Math.min(width, length - done));
    if (bytes === null) return `${text} Cannot access memory\n`;
    for (let offset = 0; offset < bytes.length; offset += size) {
      text += ` ${valueText(littleEndian(bytes.subarray(offset, offset + size)), radix, size)}`;
    }
    text += '\n';
  }
  return text;
}
