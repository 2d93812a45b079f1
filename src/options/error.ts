/**
 * A sentence behind the program's name, as compilers write it. One about an option begins with the option; one about
 * a line of a configuration file begins with `:FILE:LINE`, which stands at the name without a blank.
 */
export function programLine(program: string, sentence: string): string {
  return `${program}${sentence.startsWith(':') ? '' : ': '}${sentence}`;
}

/** A command line that cannot be taken. The daemon prints `text` and ends with status 1. */
export class OptionError extends Error {
  /** What stands behind the program's name, with the option as it was written where QEMU names it. */
  readonly sentence: string;
  /** More sentences of the same error, each on a line of its own behind the program's name. */
  readonly more: readonly string[];
  /** Further lines that stand alone. */
  readonly hint: string | null;
  /** What had been warned of before. */
  readonly warnings: readonly string[];

  constructor(
    sentence: string,
    details: {
      readonly hint?: string | null;
      readonly more?: readonly string[];
      readonly warnings?: readonly string[];
    } = {},
  ) {
    super(sentence);
    this.name = 'OptionError';
    this.sentence = sentence;
    this.more = details.more ?? [];
    this.hint = details.hint ?? null;
    this.warnings = details.warnings ?? [];
  }

  /** The same error after these warnings. */
  after(warnings: readonly string[]): OptionError {
    return new OptionError(this.sentence, { more: this.more, hint: this.hint, warnings });
  }

  /** The whole as stderr shows it, ending with a newline. */
  text(program: string): string {
    const lines = [...this.warnings, this.sentence, ...this.more].map((sentence) => programLine(program, sentence));
    return [...lines, ...(this.hint === null ? [] : [this.hint]), ''].join('\n');
  }
}
