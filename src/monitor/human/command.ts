import { CommandError } from '../../core/errors.ts';

/** A parameter of a human monitor command: a flag (`-f`), or a word, the last of which may take the rest of the line. */
export type HumanParameter =
  | { readonly kind: 'flag'; readonly letter: string }
  | { readonly kind: 'string'; readonly name: string; readonly optional?: boolean };

/** One command of the human monitor, as data. */
export interface HumanCommand {
  /** Its names; QEMU's sentences show them joined by `|`. */
  readonly names: readonly string[];
  readonly parameters: readonly HumanParameter[];
  /** How help shows the parameters; empty where there are none. */
  readonly usage: string;
  readonly help: string;
  /** Returns the text to print, with LF line ends. A CommandError becomes `Error: …`. */
  run(given: HumanArguments): string;
}

export interface HumanArguments {
  readonly flags: ReadonlySet<string>;
  readonly strings: readonly string[];
}

/** A line that does not fit its command; QEMU prints the sentence and where to look. */
class UsageError extends Error {}

/** Splits off the next word; blanks around it are skipped. */
export function nextWord(text: string): { word: string; rest: string } {
  const match = /^\s*(\S*)\s*/.exec(text)!;
  return { word: match[1]!, rest: text.slice(match[0].length) };
}

/** Reads the rest of the line by the command's parameters. @throws UsageError with QEMU's sentence */
function readArguments(command: HumanCommand, line: string): HumanArguments {
  const shown = command.names.join('|');
  const flags = new Set<string>();
  const strings: string[] = [];
  const known = command.parameters.flatMap((parameter) => (parameter.kind === 'flag' ? [parameter.letter] : []));
  let rest = line.trimStart();
  while (known.length > 0 && /^-[^\s\d]/.test(rest)) {
    const { word, rest: after } = nextWord(rest);
    for (const letter of word.slice(1)) {
      if (!known.includes(letter)) throw new UsageError(`${shown}: unsupported option -${letter}`);
      flags.add(letter);
    }
    rest = after;
  }
  for (const parameter of command.parameters) {
    if (parameter.kind === 'flag') continue;
    const { word, rest: after } = nextWord(rest);
    if (word === '') {
      if (parameter.optional === true) break;
      throw new UsageError(`${shown}: string expected`);
    }
    strings.push(word);
    rest = after;
  }
  if (rest.trim() !== '') throw new UsageError(`${shown}: extraneous characters at the end of line`);
  return { flags, strings };
}

/** Runs one command on the rest of its line; what went wrong is text too, as on QEMU's human monitor. */
export function runHumanCommand(command: HumanCommand, prefix: string, line: string): string {
  try {
    return command.run(readArguments(command, line));
  } catch (error) {
    if (error instanceof UsageError) {
      return `${error.message}\nTry "help ${prefix}${command.names[0]!}" for more information\n`;
    }
    if (error instanceof CommandError) return `Error: ${error.message}\n`;
    throw error;
  }
}
