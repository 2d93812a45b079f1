import type { CommandName } from '../generated/types.ts';
import { validateArguments } from './arguments.ts';
import { isAllowedInPreconfig, isOutOfBand, queryCommands, queryQmpSchema } from './introspection.ts';
import type { ProtocolSchema } from './protocol-commands.ts';

/**
 * The generated schema, as the server takes it. A name is asked about only after a handler has been found for it, and
 * there is a handler for each command of the schema and no other; which is what the assertion rests on.
 */
export const protocolSchema: ProtocolSchema = {
  validate: (command, args) => validateArguments(command as CommandName, args),
  isOutOfBand,
  isAllowedInPreconfig,
  queryCommands,
  queryQmpSchema,
};
