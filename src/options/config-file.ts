import { readFileSync } from 'node:fs';
import { systemText } from '../core/system-text.ts';
import { OptionError } from './error.ts';

/** One `[group "id"]` of a configuration file. */
export interface ConfigSection {
  readonly group: string;
  readonly id: string | null;
  readonly values: readonly (readonly [key: string, value: string])[];
  /** Where QEMU says that it is: `:FILE:LINE` of the last assignment so far; null before the first one. */
  readonly place: string | null;
}

/** QEMU's scanner does not look whether what it opened is closed. */
const sectionWithId = /^\[(\S{1,63}) "([^"]+)/;
const section = /^\[([^\]]+)\]?/;
const assignment = /^\s*(\S+) = "([^"]*)"/;
/** A name alone stands for an empty value, whatever follows: that is how QEMU's scanner takes `key = value`. */
const bareName = /^\s*(\S+)/;

/**
 * Takes apart a configuration file as `-readconfig` wants it. `source` is the file's name, for sentences.
 * Throws OptionError for an assignment outside a section and a line that is nothing.
 */
export function parseConfig(text: string, source: string): ConfigSection[] {
  const sections: { group: string; id: string | null; values: [string, string][]; place: string | null }[] = [];
  let place: string | null = null;
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '' || line.startsWith('#')) continue;
    const here = `:${source}:${index + 1}`;
    const head = sectionWithId.exec(line) ?? section.exec(line);
    if (head !== null) {
      sections.push({ group: head[1]!, id: head[2] ?? null, values: [], place });
      continue;
    }
    const pair = assignment.exec(line) ?? bareName.exec(line);
    if (pair === null) throw new OptionError(`${here}: parse error`);
    const current = sections.at(-1);
    if (current === undefined) throw new OptionError(`${here}: no group defined`);
    place = here;
    current.place = here;
    current.values.push([pair[1]!, pair[2] ?? '']);
  }
  return sections;
}

/** Reads and takes apart a configuration file. Throws OptionError; `option` is what asked for it, as written. */
export function readConfig(path: string, option: string): ConfigSection[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const isFolder = error instanceof Error && 'code' in error && error.code === 'EISDIR';
    if (isFolder) throw new OptionError(`${option}: Cannot read config file: Is a directory`);
    throw new OptionError(`${option}: Could not open '${path}': ${systemText(error)}`);
  }
  return parseConfig(text, path);
}
