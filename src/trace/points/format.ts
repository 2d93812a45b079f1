/** What a `%` of a format takes: pointers are of objects, or host addresses. */
type Text = string;
type Whole = number | bigint | boolean;
type Pointer = object | bigint | null;

type Flag = '0' | '1' | '2' | '3' | '4' | '5' | '6' | '7' | '8' | '9' | 'l';

type Conversion<Format extends string> = Format extends `${Flag}${infer Rest}`
  ? Conversion<Rest>
  : Format extends `s${infer Rest}`
    ? [Text, ...ArgumentsOf<Rest>]
    : Format extends `p${infer Rest}`
      ? [Pointer, ...ArgumentsOf<Rest>]
      : Format extends `${'d' | 'u' | 'x'}${infer Rest}`
        ? [Whole, ...ArgumentsOf<Rest>]
        : never;

/** The arguments of a format of C's `printf`: of its conversions those that trace points use, on a 64-bit host. */
export type ArgumentsOf<Format extends string> = Format extends `${string}%${infer Rest}` ? Conversion<Rest> : [];

/** Any argument of any format. */
export type Argument = Text | Whole | Pointer;

/** Turns one argument into text. */
type Rendering = (value: Argument) => string;

/** A format, cut at its conversions: text, argument, text, argument, …, text. */
export interface CompiledFormat {
  readonly texts: readonly string[];
  readonly renderings: readonly Rendering[];
}

/**
 * Prepares a format.
 * @param addressOf what stands for the address of an object
 * @throws Error for a conversion that {@link ArgumentsOf} does not know either
 */
export function compileFormat(format: string, addressOf: (object: object) => number): CompiledFormat {
  const [first = '', ...others] = format.split('%');
  const texts = [first];
  const renderings: Rendering[] = [];
  for (const other of others) {
    const match = /^(0?)(\d*)(l?)([sduxp])/.exec(other);
    if (match === null) throw new Error(`Format '${format}' has an unknown conversion`);
    const [all, zero, width, long, letter] = match as unknown as [string, string, string, string, string];
    const fill = zero === '0' ? '0' : ' ';
    const digits = Number(width);
    const render = renderingOf(letter, long === 'l' ? 64 : 32, addressOf);
    renderings.push(digits === 0 ? render : (value) => render(value).padStart(digits, fill));
    texts.push(other.slice(all.length));
  }
  return { texts, renderings };
}

/** The text of a format with its arguments, which are as many as the format has conversions. */
export function renderFormat({ texts, renderings }: CompiledFormat, values: readonly Argument[]): string {
  let text = texts[0]!;
  for (let at = 0; at < renderings.length; at++) text += renderings[at]!(values[at]!) + texts[at + 1]!;
  return text;
}

function renderingOf(letter: string, bits: number, addressOf: (object: object) => number): Rendering {
  switch (letter) {
    case 's':
      return String;
    case 'p':
      return (value) => pointer(value, addressOf);
    case 'd':
      return (value) => BigInt.asIntN(bits, BigInt(value as Whole)).toString();
    case 'u':
      return (value) => BigInt.asUintN(bits, BigInt(value as Whole)).toString();
    default:
      return (value) => BigInt.asUintN(bits, BigInt(value as Whole)).toString(16);
  }
}

function pointer(value: Argument, addressOf: (object: object) => number): string {
  if (value === null) return '(nil)';
  return `0x${(typeof value === 'object' ? addressOf(value) : BigInt(value)).toString(16)}`;
}
