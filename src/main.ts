#!/usr/bin/env node
/** The executable: reads the command line, runs the daemon, and ends with QEMU's manners. */
import { readFileSync } from 'node:fs';
import { CommandError } from './core/errors.ts';
import { daemonize, isDaemonized } from './daemon/daemonize.ts';
import { answer } from './daemon/listings.ts';
import { runDaemon } from './daemon/start.ts';
import { OptionError, programLine } from './options/error.ts';
import { helpText, parseOptions } from './options/parse.ts';
import { tracePointNames } from './trace/points/table.ts';

const program = 'viommud';
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

function complain(sentence: string): void {
  process.stderr.write(`${programLine(program, sentence)}\n`);
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  for (const warning of options.warnings) complain(warning);
  const { action } = options;
  switch (action.kind) {
    case 'help':
      process.stdout.write(helpText(program));
      return 0;
    case 'version':
      process.stdout.write(`viommud ${version}, with the monitor of QEMU emulator version 7.2.22\n`);
      return 0;
    case 'print':
      process.stdout.write(action.text);
      return action.status;
    case 'list': {
      const { text, status, complaint } = answer(action, tracePointNames);
      process.stdout.write(text);
      if (complaint !== undefined) complain(complaint);
      return status;
    }
    case 'run':
      break;
  }
  if (options.daemonize && !isDaemonized(process.env)) {
    const endpoints = [...options.monitors.map(({ endpoint }) => endpoint), options.qtest];
    const handedDown = endpoints.flatMap((endpoint) => (endpoint?.kind === 'fd' ? [endpoint.fd] : []));
    return await daemonize(process.argv.slice(1), handedDown);
  }
  return await runDaemon(options, version);
}

try {
  process.exitCode = await main();
} catch (error) {
  if (error instanceof OptionError) process.stderr.write(error.text(program));
  else if (error instanceof CommandError) complain(error.message);
  else throw error;
  process.exitCode = 1;
}
