import type { CommandMap, CommandName } from '../generated/types.ts';

/** The commands that are part of the protocol itself and answered in this room. */
type ProtocolCommand =
  | 'qmp_capabilities'
  | 'query-commands'
  | 'query-qmp-schema'
  | 'query-clients'
  | 'set-event-filter';

/** The client that sent a command. */
export interface Client {
  /** Counts the connections since the daemon started, from 1. */
  readonly id: number;
}

/** What a handler is given beside its arguments. Good until its reply has been queued. */
export interface CommandContext {
  readonly client: Client;

  /**
   * Runs `action` right after the reply has been queued, whether the command succeeds or fails and even when its
   * client has left: for events that follow their reply, as DEVICE_DELETED does, and for the end of the daemon.
   */
  afterReply(action: () => void): void;

  /**
   * Looks up another command and validates its arguments, for `batch`, as if it had been sent in-band.
   *
   * @param args as they came over the wire
   * @returns what runs it on behalf of this one: gives its result, or a promise of it where the command waits, and
   *   throws CommandError as its reply would say
   * @throws CommandError when there is no such command, or its arguments are not what it wants
   */
  prepare(command: string, args: Readonly<Record<string, unknown>> | undefined): () => unknown;
}

/** The handler of one command: answers at once, or with a promise when it has to wait. */
type Handler<Name extends CommandName> = (
  args: CommandMap[Name]['arguments'],
  context: CommandContext,
) => CommandMap[Name]['returns'] | Promise<CommandMap[Name]['returns']>;

/** A handler for every command of the schema that is not the protocol's own. */
export type Handlers = { [Name in Exclude<CommandName, ProtocolCommand>]: Handler<Name> };
