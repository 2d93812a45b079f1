import { existsSync, fstatSync } from 'node:fs';
import { dirname } from 'node:path';
import { CommandError } from '../core/errors.ts';
import { systemText } from '../core/system-text.ts';

/** A UNIX socket by its path. */
export interface UnixEndpoint {
  readonly kind: 'unix';
  readonly path: string;
}

/** A TCP port; to be listened on, the host must be a loopback address. */
export interface TcpEndpoint {
  readonly kind: 'tcp';
  readonly host: string;
  /** 0 to 65535; 0 to listen on any free one. */
  readonly port: number;
}

/** A socket that was opened before this program ran, and handed down to it: listening, or connected. */
export interface DescriptorEndpoint {
  readonly kind: 'fd';
  readonly fd: number;
}

/** Where clients are met. */
export type Endpoint = UnixEndpoint | TcpEndpoint | DescriptorEndpoint;

/** How clients of an endpoint are served. */
export interface EndpointOptions {
  /** Indented output, a member a line. */
  readonly pretty?: boolean;
}

/** An endpoint cannot be had: QEMU's sentence, and its hint for the next line where there is one. */
export class EndpointError extends CommandError {
  readonly hint: string | undefined;

  constructor(sentence: string, hint?: string) {
    super(sentence);
    this.name = 'EndpointError';
    this.hint = hint;
  }
}

/** Bytes of a UNIX socket path on Linux, the NUL at its end included (sun_path). */
const UNIX_PATH_SIZE = 108;

/**
 * Refuses what no socket can be made of, before the system would cut it short or say something vaguer.
 *
 * @param server whether it is to be listened on
 * @throws EndpointError
 */
export function checkEndpoint(endpoint: Endpoint, server: boolean): void {
  if (endpoint.kind === 'unix') {
    if (!fitsSocketPath(endpoint.path)) {
      const sentence = `UNIX socket path '${endpoint.path}' is too long`;
      throw new EndpointError(sentence, `Path must be less than ${UNIX_PATH_SIZE} bytes`);
    }
    return;
  }
  if (endpoint.kind === 'fd') {
    if (!isSocket(endpoint.fd)) throw new EndpointError(`File descriptor '${endpoint.fd}' is not a socket`);
    return;
  }
  if (server && !isLoopback(endpoint.host)) {
    const sentence = `QMP is served on loopback addresses only, and '${endpoint.host}' is none; use 127.0.0.1, or forward a port to it`;
    throw new EndpointError(sentence);
  }
}

/** True when the path of a UNIX socket is short enough for the system. */
export function fitsSocketPath(path: string): boolean {
  return Buffer.byteLength(path) < UNIX_PATH_SIZE;
}

/** The host that is listened on or connected to; an empty one is the loopback address. */
export function hostOf(endpoint: TcpEndpoint): string {
  return endpoint.host === '' ? '127.0.0.1' : endpoint.host;
}

/** The endpoint as an option spells it: `unix:/run/q.sock`, `tcp:127.0.0.1:4444`. */
export function endpointName(endpoint: Endpoint): string {
  if (endpoint.kind === 'unix') return `unix:${endpoint.path}`;
  if (endpoint.kind === 'fd') return `fd:${endpoint.fd}`;
  return `tcp:${addressName(hostOf(endpoint), endpoint.port)}`;
}

/** A host and a port, with brackets around an IPv6 address. */
export function addressName(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** QEMU's sentence for a system error while listening or connecting. */
export function endpointError(endpoint: Endpoint, server: boolean, error: unknown): EndpointError {
  const cause = systemText(error);
  if (endpoint.kind === 'unix') {
    // libuv tells that the folder is missing as a lack of permission, for the sake of Windows.
    if (server && !existsSync(dirname(endpoint.path))) {
      return new EndpointError(`Failed to bind socket to ${endpoint.path}: No such file or directory`);
    }
    const sentence = server ? `Failed to bind socket to ${endpoint.path}` : `Failed to connect to '${endpoint.path}'`;
    return new EndpointError(`${sentence}: ${cause}`);
  }
  if (endpoint.kind === 'fd') return new EndpointError(`Failed to use file descriptor '${endpoint.fd}': ${cause}`);
  const address = addressName(hostOf(endpoint), endpoint.port);
  const sentence = server ? 'Failed to find an available port' : `Failed to connect to '${address}'`;
  return new EndpointError(`${sentence}: ${cause}`);
}

function isSocket(fd: number): boolean {
  try {
    return fstatSync(fd).isSocket();
  } catch {
    return false;
  }
}

function isLoopback(host: string): boolean {
  return ['', 'localhost', '::1'].includes(host) || /^127(\.\d{1,3}){3}$/.test(host);
}
