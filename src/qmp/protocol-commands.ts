import type { ClientInfo, QMPCapability } from '../generated/types.ts';
import type { Call } from './call.ts';
import type { AnyHandler, CommandSchema } from './dispatcher.ts';
import type { EventPatterns } from './event-filter.ts';

/** The schema as this room needs it: validation, and what introspection answers. */
export interface ProtocolSchema extends CommandSchema {
  /** The result of `query-commands`. */
  queryCommands(): object;

  /** The result of `query-qmp-schema`. */
  queryQmpSchema(): object;
}

/**
 * The handlers of the protocol's own commands.
 *
 * @param clients the rows of `query-clients`
 */
export function protocolHandlers(
  schema: ProtocolSchema,
  clients: () => readonly ClientInfo[],
): [name: string, handler: AnyHandler<Call>][] {
  return [
    ['qmp_capabilities', negotiate],
    ['query-commands', () => schema.queryCommands()],
    ['query-qmp-schema', () => schema.queryQmpSchema()],
    ['query-clients', () => ({ clients: clients() })],
    ['set-event-filter', filterEvents],
  ];
}

function filterEvents(patterns: EventPatterns, call: Call): undefined {
  call.client.setEventFilter(patterns);
}

function negotiate(args: { enable?: readonly QMPCapability[] }, call: Call): undefined {
  call.client.negotiate(args.enable ?? []);
}
