import type { CharacterDevice } from '../machine/character-devices.ts';
import type { QomValue } from '../qom/value.ts';
import type { MonitorOption, Opened } from './sockets.ts';

/** Where an endpoint is, as SocketAddress; null for one that is no socket. */
function addressOf({ endpoint }: MonitorOption): QomValue {
  switch (endpoint.kind) {
    case 'unix':
      return { type: 'unix', path: endpoint.path };
    case 'tcp':
      return { type: 'inet', host: endpoint.host, port: endpoint.port };
    case 'fd':
      return { type: 'fd', str: String(endpoint.fd) };
    default:
      return null;
  }
}

/** The end of a monitor as `query-chardev` and the object model tell it. */
export function characterDeviceOf(label: string, monitor: MonitorOption, { listener }: Opened): CharacterDevice {
  const { kind } = monitor.endpoint;
  const filename = (): string => listener?.filename ?? kind;
  return {
    label,
    kind: kind === 'stdio' || kind === 'null' ? kind : 'socket',
    filename,
    connected: () => !filename().startsWith('disconnected:'),
    address: () => addressOf(monitor),
  };
}
