import type { CommandMap } from '../../src/generated/types.ts';
import { CommandError } from '../../src/core/errors.ts';
import { createMachine, type MachineConfig } from '../../src/machine/create.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { createHandlers } from '../../src/monitor/handlers.ts';
import type { CommandContext, Handlers } from '../../src/qmp/commands.ts';
import type { ModelEvent } from '../../src/trace/model-events.ts';

const identity = { version: { qemu: { major: 7, minor: 2, micro: 22 }, package: '' }, uuid: '' };

/** A machine with its handlers, without a socket: a command is a call, its errors are CommandErrors. */
export class HandlerRig {
  readonly machine: Machine;
  /** Model events since the last {@link takeEvents}. */
  readonly events: ModelEvent[] = [];
  readonly #handlers: Handlers;

  constructor(config: MachineConfig = {}) {
    this.machine = createMachine(config);
    this.#handlers = createHandlers(this.machine, identity);
    this.machine.events.subscribe((event) => this.events.push(event));
  }

  /** @throws CommandError as the command's reply would say; Error for one that waits */
  run<Name extends keyof Handlers>(name: Name, args: CommandMap[Name]['arguments']): CommandMap[Name]['returns'] {
    const later: (() => void)[] = [];
    const context: CommandContext = {
      client: { id: 1 },
      afterReply: (action) => void later.push(action),
      prepare: () => {
        throw new Error('no batches here');
      },
    };
    const handler = this.#handlers[name] as (
      args: CommandMap[Name]['arguments'],
      context: CommandContext,
    ) => CommandMap[Name]['returns'] | Promise<CommandMap[Name]['returns']>;
    try {
      const result = handler(args, context);
      if (result instanceof Promise) throw new Error(`${name} waits`);
      return result;
    } finally {
      for (const action of later) action();
    }
  }

  /** What the command gives, or the sentence of its error. */
  attempt<Name extends keyof Handlers>(
    name: Name,
    args: CommandMap[Name]['arguments'],
  ): { value: CommandMap[Name]['returns'] } | { refusal: string } {
    try {
      return { value: this.run(name, args) };
    } catch (error) {
      if (error instanceof CommandError) return { refusal: error.message };
      throw error;
    }
  }

  /** The error's sentence; an empty text when the command succeeds. */
  refusal<Name extends keyof Handlers>(name: Name, args: CommandMap[Name]['arguments']): string {
    const outcome = this.attempt(name, args);
    return 'refusal' in outcome ? outcome.refusal : '';
  }

  /** Writes 64-bit words, low first. */
  poke(address: bigint, ...words: bigint[]): void {
    const data = Buffer.from(new BigUint64Array(words).buffer).toString('hex');
    this.run('memory-write', { address, data, encoding: 'hex' });
  }

  takeEvents(): ModelEvent[] {
    return this.events.splice(0);
  }
}
