import { describe, expect, it } from 'vitest';
import type { CommandContext } from '../../src/qmp/commands.ts';
import { Dispatcher } from '../../src/qmp/dispatcher.ts';

const context: CommandContext = { client: { id: 1 }, afterReply: () => {}, prepare: () => () => ({}) };

const schema = {
  validate: (): object => {
    throw new Error('Arguments were looked at');
  },
  isOutOfBand: (): boolean => false,
  isAllowedInPreconfig: (command: string): boolean => command === 'allowed',
};

describe('a machine that waits', () => {
  let waits = true;
  const handlers = new Map(['allowed', 'later'].map((name) => [name, () => ({})]));
  const dispatcher = new Dispatcher(schema, handlers, () => waits);
  const send = (command: string, outOfBand = false) =>
    dispatcher.dispatch({ command, outOfBand, arguments: undefined }, true, context);

  it('refuses the other commands, before their arguments and behind everything else, as QEMU does', () => {
    waits = true;
    expect(() => send('later')).toThrow(
      "The command 'later' is permitted only after machine initialization has completed",
    );
    expect(() => send('later', true)).toThrow('The command later does not support OOB');
    expect(() => send('nope')).toThrow('The command nope has not been found');
    expect(() => send('allowed')).toThrow('Arguments were looked at');
  });

  it('refuses none afterwards', () => {
    waits = false;
    expect(() => send('later')).toThrow('Arguments were looked at');
  });
});
