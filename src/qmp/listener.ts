import { lstatSync, renameSync, rmSync } from 'node:fs';
import net from 'node:net';
import { constants } from 'node:os';
import {
  addressName,
  checkEndpoint,
  type Endpoint,
  endpointError,
  endpointName,
  fitsSocketPath,
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
    const path = endpoint.kind === 'unix' ? stagingPath(endpoint) : '';
    if (path !== '' && lstatSync(path, { throwIfNoEntry: false })?.isSocket() === true) rmSync(path);
    await new Promise<void>((resolve, reject) => {
      const refuse = (error: Error): void => reject(endpointError(endpoint, true, error));
      server.once('error', refuse);
      server.once('listening', () => {
        server.off('error', refuse);
        server.on('error', onError);
        resolve();
      });
      if (endpoint.kind === 'unix') server.listen(path);
      else if (endpoint.kind === 'fd') server.listen({ fd: endpoint.fd });
      else server.listen(endpoint.port, hostOf(endpoint));
    });
    if (endpoint.kind === 'unix') publish(server, path, endpoint);
    return listener;
  }

  /** Settled when the first client has connected and been greeted: what `wait=on` waits for. */
  get firstClient(): Promise<void> {
    return this.#firstClient;
  }

  /** What is listened on: with the port that the system chose where 0 was asked for, by its address where handed down. */
  get endpoint(): Endpoint {
    const address = this.#server.address();
    if (this.#endpoint.kind === 'unix' || address === null) return this.#endpoint;
    if (typeof address === 'string') return { kind: 'unix', path: address };
    const host = this.#endpoint.kind === 'tcp' ? this.#endpoint.host : address.address;
    return { kind: 'tcp', host, port: address.port };
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
    if (this.#endpoint.kind === 'unix') rmSync(this.#endpoint.path, { force: true });
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
 * Connects to a server that waits for us; a socket that was handed down is connected already.
 *
 * @throws EndpointError with QEMU's sentence
 */
export async function connectTo(endpoint: Endpoint): Promise<net.Socket> {
  checkEndpoint(endpoint, false);
  if (endpoint.kind === 'fd') return new net.Socket({ fd: endpoint.fd, allowHalfOpen: true });
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

/**
 * Where a socket is made before it gets its name. Between bind and listen a socket refuses its clients; one that took
 * its final name at once would, on a busy machine, refuse those who wait for the name to appear. A path that is too
 * long for that is taken at once all the same.
 */
function stagingPath(endpoint: UnixEndpoint): string {
  const path = `${endpoint.path}.${process.pid}`;
  return fitsSocketPath(path) ? path : endpoint.path;
}

/** Gives the listening socket its name; a socket of that name is replaced. QEMU would replace any file. */
function publish(server: net.Server, path: string, endpoint: UnixEndpoint): void {
  if (path === endpoint.path) return;
  try {
    const there = lstatSync(endpoint.path, { throwIfNoEntry: false });
    if (there !== undefined && !there.isSocket()) throw new SocketNameTaken();
    renameSync(path, endpoint.path);
  } catch (error) {
    server.close();
    throw endpointError(endpoint, true, error);
  }
}

/** The error that bind itself gives for a name that is taken. */
class SocketNameTaken extends Error {
  readonly errno = -constants.errno.EADDRINUSE;
}
