import { CommandError } from '../core/errors.ts';
import type { Options } from '../options/options.ts';

/**
 * Options that are understood, so that a harness's command line parses, but that this version cannot honour. They are
 * refused by name: an option that is silently ignored would make a run mean something else than was asked for.
 */
export function refuseUnserved(options: Options): void {
  const unserved: [boolean, string][] = [
    [options.readlineMonitors.length > 0, '-monitor'],
    [options.networkBackends.length > 0, '-netdev'],
    [options.icount !== null, '-icount'],
    [options.monitors.some(({ endpoint }) => endpoint.kind === 'unix' && endpoint.abstract), '-chardev …,abstract=on'],
  ];
  for (const [given, name] of unserved) {
    if (given) throw new CommandError(`${name}: this version of viommud does not serve that option; leave it out`);
  }
}
