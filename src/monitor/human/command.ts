import { CommandError } from '../../core/errors.ts';
import type { DumpFormat, DumpFormats } from './dump-format.ts';
import { readExpression } from './expression.ts';
import { UsageError } from './usage-error.ts';

/** A parameter of a human monitor command: a flag (`-f`), a format (`/4gx`), an expression, a word, or a whole line. */
export type HumanParameter =
  | { readonly kind: 'flag'; readonly letter: string }
  | { readonly kind: 'format' }
  | { readonly kind: 'number'; readonly name: string; readonly optional?: boolean }
  | { readonly kind: 'string'; readonly name: string; readonly optional?: boolean }
  /** What is left of the line, as it stands. */
  | { readonly kind: 'line'; readonly name: string; readonly optional?: boolean };

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
  readonly numbers: readonly bigint[];
  readonly format: DumpFormat;
}

/** Splits off the next word; blanks around it are skipped. */
export function nextWord(text: string): { word: string; rest: string } {
  const match = /^\s*(\S*)\s*/.exec(text)!;
  return { word: match[1]!, rest: text.slice(match[0].length) };
}

/** Splits off the name of a command, which a format may follow at once: `xp/4gx 0`. */
export function commandName(text: string): { word: string; rest: string } {
  const match = /^\s*([^\s/]*)\s*/.exec(text)!;
  return { word: match[1]!, rest: text.slice(match[0].length) };
}

/** Splits off a word that may stand in double quotes, in which a backslash escapes. */
function nextString(text: string): { word: string; rest: string } {
  const quoted = /^\s*"((?:[^"\\]|\\.)*)"\s*/.exec(text);
  if (quoted === null) return nextWord(text);
  return { word: quoted[1]!.replaceAll(/\\(.)/g, '$1'), rest: text.slice(quoted[0].length) };
}

/** Reads the rest of the line by the command's parameters. @throws UsageError with QEMU's sentence */
function readArguments(command: HumanCommand, line: string, formats: DumpFormats): HumanArguments {
  const shown = command.names.join('|');
  const flags = new Set<string>();
  const strings: string[] = [];
  const numbers: bigint[] = [];
  let format: DumpFormat = { count: 1, radix: 'x', size: 1 };
  let rest = line.trimStart();
  for (const [index, parameter] of command.parameters.entries()) {
    if (parameter.kind === 'flag') {
      // Flags come in the order of the table, each with its own dash; one that only a later place takes is left to it.
      const letter = /^-([^\s\d])/.exec(rest)?.[1];
      if (letter === undefined) continue;
      const takers = command.parameters.slice(index);
      if (!takers.some((taker) => taker.kind === 'flag' && taker.letter === letter)) {
        throw new UsageError(`${shown}: unsupported option -${letter}`);
      }
      if (letter !== parameter.letter) continue;
      flags.add(letter);
      rest = rest.slice(2).trimStart();
      continue;
    }
    if (parameter.kind === 'format') {
      ({ format, rest } = formats.read(rest));
      continue;
    }
    if (parameter.kind === 'number') {
      if (parameter.optional === true && rest.trim() === '') break;
      const { value, rest: after } = readExpression(rest);
      numbers.push(value);
      rest = after;
      continue;
    }
    const { word, rest: after } = parameter.kind === 'line' ? { word: rest, rest: '' } : nextString(rest);
    if (word === '') {
      if (parameter.optional === true) break;
      throw new UsageError(`${shown}: string expected`);
    }
    strings.push(word);
    rest = after;
  }
  if (rest.trim() !== '') throw new UsageError(`${shown}: extraneous characters at the end of line`);
  return { flags, strings, numbers, format };
}

/**
 * Runs one command on the rest of its line; what went wrong is text too, as on QEMU's human monitor.
 * @param name the command as it was typed, with what stands before it: `info mtree`
 */
export function runHumanCommand(command: HumanCommand, name: string, line: string, formats: DumpFormats): string {
  try {
    return command.run(readArguments(command, line, formats));
  } catch (error) {
    if (error instanceof UsageError) return `${error.message}\nTry "help ${name}" for more information\n`;
    if (error instanceof CommandError) return `Error: ${error.message}\n`;
    throw error;
  }
}
