import type { ValidateFunction } from 'ajv/dist/2020.js';
import { CommandError } from '../core/errors.ts';
import { schema } from '../generated/schema.ts';
import type { CommandMap, CommandName } from '../generated/types.ts';
import { membersInWireOrder } from '../wire/member-order.ts';
import type { WireObject } from '../wire/values.ts';
import type { ArgumentErrors } from './argument-schema.ts';
import { compile } from './argument-schema.ts';
import { sentenceFor } from './argument-errors.ts';
import type { Conversion } from './argument-values.ts';
import { conversionOf } from './argument-values.ts';
import { firstLeftover } from './hash-table-order.ts';

/** What it takes to validate one command's arguments. */
interface Checker {
  readonly typeName: string;
  readonly validate: ValidateFunction;
  readonly convert: Conversion;
}

const none: WireObject = Object.freeze({});

/** Made when a command is first used: compiling them all would take longer than the daemon takes to start. */
const checkers = new Map<CommandName, Checker>();

/**
 * Checks the arguments of a command and gives them as its handler takes them: 64-bit integers and addresses as bigint.
 * @param args the member `arguments` of the request; undefined when it had none
 * @throws CommandError (GenericError) with QEMU's sentence for the first offence in QEMU's order
 */
export function validateArguments<K extends CommandName>(
  command: K,
  args: WireObject | undefined,
): CommandMap[K]['arguments'] {
  return check(command, args ?? none) as CommandMap[K]['arguments'];
}

function check(command: CommandName, args: WireObject): unknown {
  const shape = schema.commands[command];
  if (shape === undefined) throw new Error(`the schema has no command ${command}`);
  if (shape.unchecked) return args;
  if (shape.arguments === undefined) {
    if (args !== none && Object.keys(args).length > 0) throw unexpected(args);
    return none;
  }
  const checker = checkers.get(command) ?? makeChecker(command, shape.arguments);
  if (!checker.validate(args)) {
    const errors = (checker.validate.errors ?? []) as ArgumentErrors;
    throw new CommandError(sentenceFor(errors, checker.typeName, args));
  }
  return checker.convert === null ? args : checker.convert(args);
}

function unexpected(args: WireObject): CommandError {
  return new CommandError(`Parameter '${firstLeftover(membersInWireOrder(args), []) ?? ''}' is unexpected`);
}

function makeChecker(command: CommandName, typeName: string): Checker {
  const checker = { typeName, validate: compile(typeName), convert: conversionOf({ kind: 'named', name: typeName }) };
  checkers.set(command, checker);
  return checker;
}
