#!/usr/bin/env node
/** The executable: reads the command line, runs the daemon, and ends with QEMU's manners. */
import { readFileSync } from 'node:fs';
import { CommandError } from './core/errors.ts';
import { daemonize, isDaemonized } from './daemon/daemonize.ts';
import { runDaemon } from './daemon/start.ts';
import { OptionError } from './options/error.ts';
import { helpText, parseOptions } from './options/parse.ts';

const program = 'viommud';
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  for (const warning of options.warnings) process.stderr.write(`${program}: ${warning}\n`);
  switch (options.action) {
    case 'help':
      process.stdout.write(helpText(program));
      return 0;
    case 'version':
      process.stdout.write(`viommud ${version}, with the monitor of QEMU emulator version 7.2.22\n`);
      return 0;
    case 'run':
      break;
    default:
      throw new CommandError(`this version of viommud does not list that; see ${program} -help`);
  }
  if (options.daemonize && !isDaemonized(process.env)) return await daemonize(process.argv.slice(1));
  return await runDaemon(options, version);
}

try {
  process.exitCode = await main();
} catch (error) {
  if (error instanceof OptionError) process.stderr.write(error.text(program));
  else if (error instanceof CommandError) process.stderr.write(`${program}: ${error.message}\n`);
  else throw error;
  process.exitCode = 1;
}
