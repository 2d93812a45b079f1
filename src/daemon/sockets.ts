import { CommandError } from '../core/errors.ts';
import type { Endpoint as OptionEndpoint, Options } from '../options/options.ts';
import type { Endpoint } from '../qmp/endpoint.ts';
import type { Listener } from '../qmp/listener.ts';
import type { QmpServer } from '../qmp/server.ts';

/** A monitor as the command line names it. */
export type MonitorOption = Options['monitors'][number];

/** A socket of the command line, for those who open it. */
export function endpointOf(endpoint: OptionEndpoint & { kind: 'unix' | 'tcp' }): Endpoint {
  if (endpoint.kind === 'unix') return { kind: 'unix', path: endpoint.path };
  return { kind: 'tcp', host: endpoint.host, port: portOf(endpoint) };
}

/** The number of a port; names of services are not looked up. Throws CommandError for other text. */
function portOf({ host, port }: { readonly host: string; readonly port: string }): number {
  const number = /^\d+$/.test(port) ? Number(port) : NaN;
  if (number <= 65_535) return number;
  throw new CommandError(`address resolution failed for ${host}:${port}: a port is a number from 0 to 65535`);
}

/** What a monitor needs before the machine may run: the arrival of its first client, where it was asked to wait. */
export interface Opened {
  readonly listener: Listener | null;
  readonly waitForClient: boolean;
  /** As it was written, for the line that says who is waited for. */
  readonly option: string;
}

/** Opens one monitor: listens, connects, or takes the standard streams. @throws CommandError naming the option */
export async function openMonitor(server: QmpServer, monitor: MonitorOption): Promise<Opened> {
  const { endpoint, pretty, option } = monitor;
  try {
    switch (endpoint.kind) {
      case 'null':
        return { listener: null, waitForClient: false, option };
      case 'stdio':
        server.serveStandardStreams({ pretty });
        return { listener: null, waitForClient: false, option };
      default:
        if (endpoint.server) {
          const listener = await server.listen(endpointOf(endpoint), { pretty });
          return { listener, waitForClient: endpoint.wait, option };
        }
        await server.connect(endpointOf(endpoint), { pretty });
        return { listener: null, waitForClient: false, option };
    }
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const hint = 'hint' in error && typeof error.hint === 'string' ? `\n${error.hint}` : '';
    throw new CommandError(`${option}: ${error.message}${hint}`);
  }
}
