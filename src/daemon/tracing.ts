import { openSync, readFileSync, writeSync } from 'node:fs';
import { CommandError } from '../core/errors.ts';
import { systemText } from '../core/system-text.ts';
import type { Options, TraceOption } from '../options/options.ts';
import type { WallTime } from '../trace/event-log.ts';
import { TraceLog } from '../trace/trace-log.ts';

/** Where lines go: standard error, or the file of `-D` or `-trace file=`. @throws CommandError with QEMU's sentence */
function logWriter(path: string | null): (text: string) => void {
  if (path === null) return (text) => void process.stderr.write(text);
  try {
    const file = openSync(path, 'w');
    return (text) => void writeSync(file, text);
  } catch (error) {
    throw new CommandError(`Error opening logfile ${path}: ${systemText(error)}`);
  }
}

/** Puts in front of each line who wrote it, and when: `-msg timestamp=on`. */
function stamped(write: (text: string) => void, now: () => WallTime): (text: string) => void {
  return (text) => {
    const { seconds, microseconds } = now();
    write(`${process.pid}@${seconds}.${String(microseconds).padStart(6, '0')}:${text}`);
  };
}

/** The patterns of a file, one a line; empty lines and comments are none. @throws CommandError with QEMU's sentence */
function patternsOf(path: string): string[] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
  } catch (error) {
    throw new CommandError(`:${path}: ${systemText(error)}`);
  }
}

/** What one `-trace` switches; a minus in front switches off. */
function applyTo(log: TraceLog, { pattern, events, option }: TraceOption, warn: (sentence: string) => void): void {
  for (const written of [...(pattern === null ? [] : [pattern]), ...(events === null ? [] : patternsOf(events))]) {
    const off = written.startsWith('-');
    const name = off ? written.slice(1) : written;
    if (log.set(name, !off)) continue;
    const place = option === null ? '' : `${option}: `;
    warn(`${place}warning: trace event '${name}' does not exist`);
  }
}

/**
 * The trace points as the command line wants them.
 * @param warn told about patterns that name nothing
 * @param now the time for `-msg timestamp=on`
 * @throws CommandError where a file cannot be opened
 */
export function openTraceLog(options: Options, warn: (sentence: string) => void, now: () => WallTime): TraceLog {
  const file = options.traces.findLast((trace) => trace.file !== null)?.file ?? options.logFile;
  const write = logWriter(file);
  const stamps = options.accepted.findLast(({ name, values }) => name === 'msg' && 'timestamp' in values);
  const log = new TraceLog(stamps?.values['timestamp'] === 'on' ? stamped(write, now) : write);
  for (const trace of options.traces) applyTo(log, trace, warn);
  return log;
}
