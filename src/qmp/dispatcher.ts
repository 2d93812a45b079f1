import { CommandError } from '../core/errors.ts';
import type { WireObject } from '../wire/values.ts';
import type { CommandContext } from './commands.ts';
import type { Request } from './request.ts';

/** What is asked of the schema about a command that exists. */
export interface CommandSchema {
  /** The arguments as the handler wants them; throws CommandError with QEMU's sentence. */
  validate(command: string, args: WireObject | undefined): object;

  /** Whether the command may be run by `exec-oob`. */
  isOutOfBand(command: string): boolean;

  /** Whether the command may run before the machine has been initialized (option --preconfig). */
  isAllowedInPreconfig(command: string): boolean;
}

/** A handler whose argument type has been forgotten: the table pairs it with the schema that makes its arguments. */
export type AnyHandler<Context> = (args: never, context: Context) => unknown;

/** The name of the one command that there is before negotiation. */
const NEGOTIATION = 'qmp_capabilities';

/** Finds a command, checks that it may run, validates its arguments and runs it; in this order, as QEMU does. */
export class Dispatcher<Context extends CommandContext> {
  readonly #schema: CommandSchema;
  readonly #handlers: ReadonlyMap<string, AnyHandler<Context>>;
  readonly #inPreconfig: () => boolean;

  /**
   * @param handlers by command name; a map, since `constructor` and the like are names that a client may send
   * @param inPreconfig whether only those commands may run that the schema allows before the machine is initialized
   */
  constructor(
    schema: CommandSchema,
    handlers: ReadonlyMap<string, AnyHandler<Context>>,
    inPreconfig: () => boolean = () => false,
  ) {
    this.#schema = schema;
    this.#handlers = handlers;
    this.#inPreconfig = inPreconfig;
  }

  /** Does all of it: {@link prepare}, and what that gives. */
  dispatch(request: Request, negotiated: boolean, context: Context): unknown {
    return this.prepare(request, negotiated, context)();
  }

  /**
   * Does all but running it.
   * @param negotiated false in negotiation mode, where only `qmp_capabilities` exists
   * @returns what runs the command: gives its result, or a promise of it
   * @throws CommandError whose class and sentence go into the reply
   */
  prepare(request: Request, negotiated: boolean, context: Context): () => unknown {
    const { command } = request;
    const handler = negotiated || command === NEGOTIATION ? this.#handlers.get(command) : undefined;
    if (handler === undefined) {
      const sentence = negotiated
        ? `The command ${command} has not been found`
        : `Expecting capabilities negotiation with '${NEGOTIATION}'`;
      throw new CommandError(sentence, 'CommandNotFound');
    }
    if (request.outOfBand && !this.#schema.isOutOfBand(command)) {
      throw new CommandError(`The command ${command} does not support OOB`);
    }
    if (this.#inPreconfig() && !this.#schema.isAllowedInPreconfig(command)) {
      throw new CommandError(`The command '${command}' is permitted only after machine initialization has completed`);
    }
    const args = this.#schema.validate(command, request.arguments);
    return () => handler(args as never, context);
  }
}
