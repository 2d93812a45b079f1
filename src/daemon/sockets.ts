import { CommandError } from '../core/errors.ts';
import type { Endpoint as OptionEndpoint, Options } from '../options/options.ts';
import type { Endpoint } from '../qmp/endpoint.ts';
import type { Listener } from '../qmp/listener.ts';
import type { QmpServer } from '../qmp/server.ts';

/** A monitor as the command line names it. */
export type MonitorOption = Options['monitors'][number];

/** An endpoint that is a socket. */
export type SocketOption = Extract<OptionEndpoint, { readonly server: boolean }>;

const LAST_PORT = 65_535;

/** The number of a port; names of services are not looked up. Throws CommandError for other text. */
function portOf(host: string, port: string): number {
  const number = /^\d+$/.test(port) ? Number(port) : NaN;
  if (number <= LAST_PORT) return number;
  throw new CommandError(`address resolution failed for ${host}:${port}: a port is a number from 0 to ${LAST_PORT}`);
}

/** The sockets that an endpoint allows, of which the first that can be had is taken: several where `to=` says so. */
export function candidates(endpoint: SocketOption): readonly Endpoint[] {
  switch (endpoint.kind) {
    case 'unix':
      return [{ kind: 'unix', path: endpoint.path }];
    case 'fd':
      return [{ kind: 'fd', fd: endpoint.fd }];
    case 'tcp': {
      const { host, lastPort } = endpoint;
      const first = portOf(host, endpoint.port);
      const last = lastPort === null ? first : Math.min(Number(lastPort), LAST_PORT);
      return Array.from({ length: Math.max(last - first, 0) + 1 }, (_, index) => ({
        kind: 'tcp',
        host,
        port: first + index,
      }));
    }
  }
}

/** Opens the first of several sockets that can be opened. @throws CommandError what the last one says */
export async function firstOf<Opened>(
  endpoints: readonly Endpoint[],
  open: (endpoint: Endpoint) => Promise<Opened>,
): Promise<Opened> {
  for (const endpoint of endpoints.slice(0, -1)) {
    try {
      return await open(endpoint);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
    }
  }
  return await open(endpoints.at(-1)!);
}

/** A monitor that is being served. */
export interface Opened {
  readonly listener: Listener | null;
  /** The machine holds back until the first client has come. */
  readonly waitForClient: boolean;
  /** As it was written, for the line that says who is waited for. */
  readonly option: string;
  /** Ends what goes on by itself: the attempts to connect again. */
  close(): void;
}

/** How clients of a monitor are met. */
interface MonitorContext {
  readonly server: QmpServer;
  /** QEMU's name of the character device: its id, or `compat_monitorN`. */
  readonly label: string;
  /** Told why a server cannot be reached, once for each time it is lost. */
  readonly warn: (sentence: string) => void;
}

/**
 * Keeps a monitor connected to a server: where it cannot be reached, or closes, another attempt follows.
 * @param seconds between two attempts
 * @returns a function that ends it
 */
function keepConnected(context: MonitorContext, endpoint: Endpoint, pretty: boolean, seconds: number): () => void {
  let timer: NodeJS.Timeout | null = null;
  let told = false;
  let ended = false;
  const later = (): void => {
    if (!ended) timer = setTimeout(() => void attempt(), seconds * 1000);
  };
  const attempt = async (): Promise<void> => {
    try {
      const socket = await context.server.connect(endpoint, { pretty });
      told = false;
      if (ended) socket.destroy();
      socket.once('close', later);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      if (!told) context.warn(`Unable to connect character device ${context.label}: ${error.message}`);
      told = true;
      later();
    }
  };
  void attempt();
  return () => {
    ended = true;
    if (timer !== null) clearTimeout(timer);
  };
}

/** Opens one monitor: listens, connects, or takes the standard streams. @throws CommandError naming the option */
export async function openMonitor(context: MonitorContext, monitor: MonitorOption): Promise<Opened> {
  const { endpoint, pretty, option } = monitor;
  const { server } = context;
  const opened: Opened = { listener: null, waitForClient: false, option, close: () => {} };
  try {
    switch (endpoint.kind) {
      case 'null':
        return opened;
      case 'stdio':
        server.serveStandardStreams({ pretty });
        return opened;
      default: {
        const endpoints = candidates(endpoint);
        if (endpoint.server) {
          const listener = await firstOf(endpoints, (candidate) => server.listen(candidate, { pretty }));
          return { ...opened, listener, waitForClient: endpoint.wait };
        }
        if (endpoint.reconnect > 0) {
          return { ...opened, close: keepConnected(context, endpoints[0]!, pretty, endpoint.reconnect) };
        }
        await server.connect(endpoints[0]!, { pretty });
        return opened;
      }
    }
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const hint = 'hint' in error && typeof error.hint === 'string' ? `\n${error.hint}` : '';
    throw new CommandError(`${option}: ${error.message}${hint}`);
  }
}
