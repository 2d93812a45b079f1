import { CommandError } from '../core/errors.ts';
import { identifierHint, isIdentifier } from '../core/identifier.ts';
import { parseSize } from '../core/size.ts';
import { OptionError } from './error.ts';
import { parseJsonArgument } from './json.ts';
import { flagWarning, type KeyValue, parseKeyValues } from './key-value.ts';

/** What a parameter of an option takes. */
export type ParameterKind = 'string' | 'switch' | 'number' | 'size';

/** The parameters that an option takes. */
export interface ParameterList {
  /** In the sentence about a second one of the same id. */
  readonly name: string;
  /** The key of a first element without `=`. */
  readonly implied: string | null;
  /** By name; null takes any, unchecked. */
  readonly parameters: Readonly<Record<string, ParameterKind>> | null;
  /** What the help says of some of them. */
  readonly descriptions?: Readonly<Record<string, string>>;
}

/** An option with its argument, as sentences name it. */
export interface Place {
  /** As written, `-device edu,id=x`; for one that a configuration file holds `:FILE:LINE`, or nothing. */
  readonly option: string;
  readonly warnings: string[];
}

/** An error about one option: the option as it was written, and the sentence. */
export function refuse(place: Place, sentence: string, hint?: string): OptionError {
  const located = place.option === '' ? sentence : `${place.option}: ${sentence}`;
  return new OptionError(located, hint === undefined ? {} : { hint });
}

const sizeHint =
  'Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-\nand exabytes, respectively.';

/** A well-formed size; one that is none all the same has more than 64 bits. */
const wellFormedSize = /^\s*\+?([0-9]+|[0-9]+(\.[0-9]*)?[kmgtpe])$/i;

/** What `value` is wrong in as a parameter of that kind; null when nothing. */
function complaint(kind: ParameterKind, key: string, value: string): { sentence: string; hint?: string } | null {
  switch (kind) {
    case 'string':
      return null;
    case 'switch':
      return value === 'on' || value === 'off' ? null : { sentence: `Parameter '${key}' expects 'on' or 'off'` };
    case 'number':
      return /^\s*[+-]?(0x[0-9a-f]+|[0-9]+)$/i.test(value) ? null : { sentence: `Parameter '${key}' expects a number` };
    case 'size':
      if (parseSize(value) !== null) return null;
      if (wellFormedSize.test(value)) return { sentence: `Value '${value}' is out of range for parameter '${key}'` };
      return { sentence: `Parameter '${key}' expects a non-negative number below 2^64`, hint: sizeHint };
  }
}

/** True for an element that asks what there is to choose from. */
export function asksForHelp(text: string | undefined): boolean {
  return text === 'help' || text === '?';
}

/** Splits an argument and notes a warning for every flag in it that is no question for help. */
export function splitArgument(place: Place, argument: string, implied: string | null): KeyValue[] {
  const pairs = parseKeyValues(argument, implied);
  for (const pair of pairs) {
    if (asksForHelp(pair.flag)) continue;
    const warning = flagWarning(pair);
    if (warning !== null) place.warnings.push(`${place.option}: ${warning}`);
  }
  return pairs;
}

/**
 * The help on a list of names with their types, as QEMU lays it out for options, devices, objects and machines alike.
 * @param entries without order; `description` may be several lines, `fallback` is the default value as JSON
 */
export function listing(
  title: string,
  entries: readonly {
    readonly name: string;
    readonly type: string;
    readonly description?: string | undefined;
    readonly fallback?: string | undefined;
  }[],
): string {
  const lines = entries.map(({ name, type, description, fallback }) => {
    const label = `  ${name}=<${type}>`;
    if (description === undefined && fallback === undefined) return label;
    return `${label.padEnd(24)} - ${description ?? ''}${fallback === undefined ? '' : ` (default: ${fallback})`}`;
  });
  // Compared by code units, as C compares bytes: `a-b=` comes before `a=`.
  lines.sort((left, right) => (left < right ? -1 : Number(left > right)));
  return [`${title} options:`, ...lines, ''].join('\n');
}

const kindNames: Readonly<Record<ParameterKind, string>> = {
  string: 'str',
  switch: 'bool (on/off)',
  number: 'num',
  size: 'size',
};

/** An argument asks for help; thrown to end the reading. */
export class HelpRequest extends Error {
  readonly text: string;
  readonly status: number;

  constructor(text: string, status: number) {
    super('help is asked for');
    this.name = 'HelpRequest';
    this.text = text;
    this.status = status;
  }
}

/** The help on a list's parameters. QEMU ends with status 1 for most options, and so does this. */
export function helpOn({ name, parameters, descriptions }: ParameterList, status: number): HelpRequest {
  const entries = Object.entries(parameters ?? {}).map(([key, kind]) => ({
    name: key,
    type: kindNames[kind],
    description: descriptions?.[key],
  }));
  return new HelpRequest(listing(name, entries), status);
}

/** The first thing that a list has against the pairs; null when nothing. */
export function complaintAbout(
  list: ParameterList,
  pairs: readonly KeyValue[],
): { sentence: string; hint?: string } | null {
  if (list.parameters === null) return null;
  const { parameters } = list;
  for (const { key, value } of pairs) {
    const kind = key === 'id' ? 'string' : Object.hasOwn(parameters, key) ? parameters[key] : undefined;
    if (kind === undefined) return { sentence: `Invalid parameter '${key}'` };
    const wrong = complaint(kind, key, value);
    if (wrong !== null) return wrong;
  }
  return null;
}

/** The pairs as a record; the last of equal keys wins, except for the id, which is settled first. */
export function recordOf(pairs: readonly KeyValue[]): Record<string, string> {
  const firstId = pairs.find(({ key }) => key === 'id');
  const entries = pairs.map(({ key, value }) => [key, key === 'id' ? firstId!.value : value] as const);
  return Object.fromEntries(entries);
}

/**
 * An argument by its list.
 * Throws OptionError for an unknown parameter, a value of the wrong kind or a bad id, HelpRequest where that is asked.
 */
export function parseParameters(place: Place, list: ParameterList, argument: string): Record<string, string> {
  const pairs = splitArgument(place, argument, list.implied);
  if (list.parameters !== null && pairs.some(({ flag }) => asksForHelp(flag))) throw helpOn(list, 1);
  const values = recordOf(pairs);
  const id = values['id'];
  if (id !== undefined && !isIdentifier(id)) {
    throw refuse(place, "Parameter 'id' expects an identifier", identifierHint);
  }
  const wrong = complaintAbout(list, pairs);
  if (wrong !== null) throw refuse(place, wrong.sentence, wrong.hint);
  return values;
}

/**
 * An argument whose elements all need a `=`, as `-machine` and `-smp` have it.
 * Throws OptionError for a flag or an empty key.
 */
export function parseStrictly(place: Place, argument: string, implied: string | null): Record<string, string> {
  if (/^,(?!,)/.test(argument)) throw refuse(place, "Invalid parameter ''");
  const pairs = parseKeyValues(argument, implied);
  for (const { key, flag } of pairs) {
    if (flag !== undefined && flag !== '' && !asksForHelp(flag)) {
      throw refuse(place, `Expected '=' after parameter '${flag}'`);
    }
    if (key === '') throw refuse(place, "Invalid parameter ''");
  }
  return recordOf(pairs);
}

/** Refuses a second option of a kind with the same id; `seen` are the ids so far, to which this one is added. */
export function claimId(place: Place, kind: string, seen: Set<string>, id: string): void {
  if (seen.has(id)) throw refuse(place, `Duplicate ID '${id}' for ${kind}`);
  seen.add(id);
}

/** The members of an argument in JSON form. Throws OptionError. */
export function jsonValues(place: Place, argument: string): Record<string, unknown> {
  try {
    return parseJsonArgument(argument);
  } catch (error) {
    if (error instanceof CommandError) throw refuse(place, error.message);
    throw error;
  }
}
