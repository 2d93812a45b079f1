import { lstatSync, unlinkSync } from 'node:fs';
import net from 'node:net';
import {
  addressName,
  checkEndpoint,
  type Endpoint,
  endpointError,
  endpointName,
  hostOf,
  type UnixEndpoint,
} from './endpoint.ts';

/** Called for every client that comes; the socket is open in both directions. */
export type ClientHandler = (socket: net.Socket) => void;

/** A socket that is listened on, for any number of clients at once. */
export class Listener {
  readonly #server: net.Server;
  readonly #endpoint: Endpoint;
  readonly #clients: net.Socket[] = [];
  readonly #firstClient: Promise<void>;

  private constructor(server: net.Server, endpoint: Endpoint, onClient: ClientHandler) {
    this.#server = server;
    this.#endpoint = endpoint;
    this.#firstClient = new Promise((resolve) => {
      server.on('connection', (socket) => {
        this.#adopt(socket);
        onClient(socket);
        resolve();
      });
    });
  }

  /**
   * Listens. A socket file that is there already is replaced silently, whether anyone still listens on it or not.
   *
   * @param onError an error after listening has begun (too many open files, for instance); it listens on
   * @throws EndpointError with QEMU's sentence
   */
  static async open(endpoint: Endpoint, onClient: ClientHandler, onError: (error: Error) => void): Promise<Listener> {
    checkEndpoint(endpoint, true);
    const server = net.createServer({ allowHalfOpen: true, noDelay: true });
    const listener = new Listener(server, endpoint, onClient);
    if (endpoint.kind === 'unix') removeSocketFile(endpoint);
    await new Promise<void>((resolve, reject) => {
      const refuse = (error: Error): void => reject(endpointError(endpoint, true, error));
      server.once('error', refuse);
      server.once('listening', () => {
        server.off('error', refuse);
        server.on('error', onError);
        resolve();
      });
      if (endpoint.kind === 'unix') server.listen(endpoint.path);
      else server.listen(endpoint.port, hostOf(endpoint));
    });
    return listener;
  }

  /** Settled when the first client has connected and been greeted: what `wait=on` waits for. */
  get firstClient(): Promise<void> {
    return this.#firstClient;
  }

  /** What is listened on, with the port that the system chose where 0 was asked for. */
  get endpoint(): Endpoint {
    const address = this.#server.address();
    if (this.#endpoint.kind === 'unix' || address === null || typeof address === 'string') return this.#endpoint;
    return { ...this.#endpoint, port: address.port };
  }

  /**
   * The endpoint as `query-chardev` and the line about waiting for a connection name it: `disconnected:` in front of
   * it while nobody is connected; behind a TCP one, the client that has been connected longest.
   */
  get filename(): string {
    const name = `${endpointName(this.endpoint)},server=on`;
    const client = this.#clients[0];
    if (client === undefined) return `disconnected:${name}`;
    if (client.remoteAddress === undefined || client.remotePort === undefined) return name;
    return `${name} <-> ${addressName(client.remoteAddress, client.remotePort)}`;
  }

  /** Takes no more clients, and removes the socket file at once. Those connected stay. */
  close(): void {
    this.#server.close();
  }

  #adopt(socket: net.Socket): void {
    this.#clients.push(socket);
    socket.once('close', () => {
      this.#clients.splice(this.#clients.indexOf(socket), 1);
    });
  }
}

/**
 * Connects to a server that waits for us.
 *
 * @throws EndpointError with QEMU's sentence
 */
export async function connectTo(endpoint: Endpoint): Promise<net.Socket> {
  checkEndpoint(endpoint, false);
  const target =
    endpoint.kind === 'unix' ? { path: endpoint.path } : { host: hostOf(endpoint), port: endpoint.port, noDelay: true };
  return await new Promise((resolve, reject) => {
    const socket = net.connect({ ...target, allowHalfOpen: true });
    const refuse = (error: Error): void => reject(endpointError(endpoint, false, error));
    socket.once('error', refuse);
    socket.once('connect', () => {
      socket.off('error', refuse);
      resolve(socket);
    });
  });
}

/** Only a socket is removed; QEMU would remove any file of that name. */
function removeSocketFile(endpoint: UnixEndpoint): void {
  try {
    if (lstatSync(endpoint.path, { throwIfNoEntry: false })?.isSocket() === true) unlinkSync(endpoint.path);
  } catch (error) {
    throw endpointError(endpoint, true, error);
  }
}
