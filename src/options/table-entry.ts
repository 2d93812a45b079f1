import type { Options, Subject } from './options.ts';
import type { Place } from './parameters.ts';

/** What handlers know beside the options read so far. */
export interface Reading extends Place {
  readonly options: Options;
  /** Ids taken, by kind of option. */
  readonly ids: Map<string, Set<string>>;
  /** Checks that need the whole command line; they run at its end, in this order. */
  readonly later: (() => void)[];
}

/** One option. */
export interface OptionEntry {
  /** Without dash; all of them mean the same. */
  readonly names: readonly string[];
  /** What stands behind the name in the help text; null for an option without argument. */
  readonly argument: string | null;
  /** The name of its sections in a configuration file; without one it cannot stand there. */
  readonly group?: string;
  /** For the help text. Options without one are accepted and not listed. */
  readonly help: string | null;
  /** Throws OptionError. */
  apply(reading: Reading, argument: string): void;
}

/** The ids of one kind of option. */
export function idsOf(reading: Reading, kind: string): Set<string> {
  let ids = reading.ids.get(kind);
  if (ids === undefined) {
    ids = new Set();
    reading.ids.set(kind, ids);
  }
  return ids;
}

/** Lists something in place of running, unless an earlier option asked for another list. */
export function list({ options, option }: Reading, subject: Subject, name: string | null): void {
  if (options.action.kind === 'run') options.action = { kind: 'list', subject, name, option };
}
